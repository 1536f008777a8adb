"""One line when an outage begins, one when it ends."""

from tieline_operator.outage import Outage


def test_one_line_for_many_failures() -> None:
    outage = Outage()
    lines = [outage.failed(float(second), "connection refused") for second in range(100)]
    assert [line is not None for line in lines] == [False, True, *[False] * 98]
    assert "connection refused" in str(lines[1])
    active = [outage.active]
    line = outage.succeeded(121.0)
    assert line is not None
    assert "120 s" in line
    assert [*active, outage.active] == [True, False]
    assert outage.succeeded(122.0) is None


def test_one_failed_call_is_no_outage() -> None:
    outage = Outage()
    assert outage.failed(0.0, "reset") is None
    assert outage.succeeded(1.0) is None
    assert outage.failed(2.0, "reset") is None
    assert not outage.active


def test_endpoints_stand_only_when_the_server_answered_lately() -> None:
    outage = Outage()
    assert not outage.reached_within(15, 0.0)
    outage.succeeded(10.0)
    assert outage.reached_within(15, 25.0)
    assert not outage.reached_within(15, 25.1)


def test_a_server_that_answers_probes_with_errors_is_away_until_a_probe_is_served() -> None:
    outage = Outage()
    assert outage.probe_failed(0.0, "500") is None
    assert outage.succeeded(1.0) is None
    assert outage.probe_failed(10.0, "500") is not None
    assert outage.succeeded(11.0) is None
    assert outage.active
    line = outage.succeeded(20.0, probe=True)
    assert line is not None
    assert "10 s" in line
