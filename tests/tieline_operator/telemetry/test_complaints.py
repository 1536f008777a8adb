from tieline_operator.telemetry.complaints import AGAIN_SECONDS, MAX_SUBJECTS, Complaints


def test_a_subject_is_said_once_a_minute() -> None:
    complaints = Complaints()
    said = [second for second in range(200) if complaints.due("routes refused", float(second))]
    assert said == [0, AGAIN_SECONDS, 2 * AGAIN_SECONDS, 3 * AGAIN_SECONDS]


def test_subjects_do_not_silence_one_another() -> None:
    complaints = Complaints()
    assert complaints.due("a", 0.0)
    assert complaints.due("b", 0.0)


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    complaints = Complaints()
    for number in range(MAX_SUBJECTS + 1):
        assert complaints.due(number, 0.0)
    assert len(complaints._said) == MAX_SUBJECTS
    assert complaints.due(0, 1.0)
    assert not complaints.due(MAX_SUBJECTS, 1.0)
