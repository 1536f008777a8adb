"""docs/failover.md states the bounds that the code has."""

from tieline_router.errors import ErrorClass
from tieline_router.routing import breaker, budget, cooldown, endpoint, hedging, live, places

from tests.docs import markdown

TEXT = (markdown.ROOT / "docs" / "failover.md").read_text()
VALUES = dict(zip(markdown.table_column(TEXT), markdown.table_column(TEXT, 1), strict=True))


def test_the_bounds_of_a_request() -> None:
    assert f"or {budget.FLOOR_PER_SECOND:g} per second" in VALUES["retries of all requests of a route"]
    assert VALUES["memory of the budget"] == f"{budget.WINDOW:g} s"
    assert VALUES["attempts at one pool in a row"] == str(places.TRIES_IN_A_ROW)
    assert VALUES["first pause before the same endpoint"].startswith(f"{places.FIRST_PAUSE:g} s")
    assert VALUES["longest pause inside a request"].startswith(f"{places.MAX_PAUSE:g} s")


def test_hedging() -> None:
    assert VALUES["recent means"] == f"{hedging.WINDOW / 60:g} to {2 * hedging.WINDOW / 60:g} minutes"
    assert VALUES["it is not known before"].startswith(f"{hedging.MIN_SAMPLES} answers")
    assert hedging.BUDGET_SECONDS == 60, "the last minute"


def test_ejection_and_pauses() -> None:
    limited, refused = ErrorClass.STATUS_429, ErrorClass.STATUS_401_402_403
    assert VALUES["longest ejection"] == f"{breaker.MAX_SECONDS:g} s"
    assert VALUES["failures in a row that are forgotten"] == f"those of more than {breaker.MAX_SECONDS:g} s ago"
    assert VALUES["slow start"] == f"{endpoint.SLOW_START_SECONDS:g} s"
    assert endpoint.MIN_WARMTH == 0.1, "a tenth"
    for error, words in ((limited, "rate limit or overload without Retry-After"), (refused, "refused credential")):
        first, longest = cooldown.BASE_SECONDS[error], cooldown.MAX_SECONDS[error]
        assert VALUES[words].startswith(f"{first:g} s, doubled up to {longest:g} s")
    assert cooldown.BASE_SECONDS[ErrorClass.OVERLOADED] == cooldown.BASE_SECONDS[limited]
    assert VALUES["longest Retry-After that is obeyed"] == f"{cooldown.MAX_RETRY_AFTER:.0f} s"
    assert f"for {live.CONFIRMATION_TTL:g} s" in TEXT
