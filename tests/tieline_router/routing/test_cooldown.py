from tieline_router.errors import ErrorClass
from tieline_router.routing.cooldown import BASE_SECONDS, MAX_RETRY_AFTER, MAX_SECONDS, Cooldown

LIMIT = ErrorClass.STATUS_429
REFUSED = ErrorClass.STATUS_401_402_403


def test_the_providers_own_time_is_obeyed() -> None:
    pause = Cooldown()
    pause.extend(LIMIT, 100.0, 0.5)
    assert pause.active(100.4)
    assert not pause.active(100.5)
    pause.extend(LIMIT, 200.0, 10 * MAX_RETRY_AFTER)
    assert pause.until == 200 + MAX_RETRY_AFTER


def test_a_hint_that_proves_too_short_is_only_a_floor() -> None:
    pause, now, lengths = Cooldown(), 0.0, []
    for _ in range(4):
        pause.extend(LIMIT, now, 7)
        lengths.append(pause.until - now)
        now = pause.until
    assert lengths == [7, 7, 10, 20]


def test_a_later_hint_never_shortens_a_pause() -> None:
    pause = Cooldown()
    pause.extend(LIMIT, 0.0, 30)
    pause.extend(LIMIT, 1.0, 2)
    assert pause.until == 30


def test_pauses_without_a_hint_double_up_to_the_cap() -> None:
    pause, now, lengths = Cooldown(), 0.0, []
    for _ in range(6):
        pause.extend(LIMIT, now, None)
        lengths.append(pause.until - now)
        now = pause.until
    assert lengths == [5, 10, 20, 40, MAX_SECONDS[LIMIT], MAX_SECONDS[LIMIT]]


def test_failures_under_way_together_are_one_event() -> None:
    pause = Cooldown()
    for _ in range(10):
        pause.extend(LIMIT, 0.0, None)
    assert pause.until == BASE_SECONDS[LIMIT]


def test_another_reason_or_a_long_quiet_time_starts_small() -> None:
    pause = Cooldown()
    for now in (0.0, 5.0, 15.0):
        pause.extend(LIMIT, now, None)
    pause.extend(REFUSED, 40.0, None)
    assert pause.until == 40 + BASE_SECONDS[REFUSED]
    assert pause.reason is REFUSED
    later = pause.until + MAX_SECONDS[REFUSED] + 1
    pause.extend(REFUSED, later, None)
    assert pause.until == later + BASE_SECONDS[REFUSED]


def test_an_answer_lets_the_next_pause_start_small_but_ends_none() -> None:
    """It may be the answer to a request from before the pause."""
    pause = Cooldown()
    for now in (0.0, 5.0, 15.0):
        pause.extend(LIMIT, now, None)
    assert pause.until == 35.0
    pause.answered(20.0)
    assert pause.until == 35.0
    pause.extend(LIMIT, 35.0, None)
    assert pause.until == 75.0
    pause.answered(75.0)
    pause.extend(LIMIT, 76.0, None)
    assert pause.until == 81.0
