from tieline_router.errors import ErrorClass
from tieline_router.routing.ending import LIMITS, final_error, final_retry_after, last_cause
from tieline_router.routing.steps import Attempt, AttemptTimeouts, Failure

from tests.support.routing import World, backend, external, route

E = ErrorClass
FOUND = World([external("a")], [route(backend("a"))])
DECISION = FOUND.decide()
(ENDPOINT,) = FOUND.live.endpoints(FOUND.pool("a"), FOUND.now)
OFFER = DECISION.shortlist.candidates[0]
ATTEMPT = Attempt(1, "m", OFFER.offer, OFFER.operation, ENDPOINT, None, 0.0, AttemptTimeouts(*[None] * 5))


def failures(*ends: tuple[ErrorClass, float | None]) -> list[Failure]:
    return [Failure(ATTEMPT, error, hint) for error, hint in ends]


def test_a_limit_is_told_only_where_nothing_else_went_wrong() -> None:
    for limit in LIMITS:
        assert final_error(DECISION, failures((limit, None)), None) is limit
        assert final_error(DECISION, failures((E.GARBAGE, None), (limit, None)), limit) is E.GARBAGE
    assert final_error(DECISION, failures((E.STATUS_429, None)), E.QUEUE_FULL) is E.QUEUE_FULL
    assert final_error(DECISION, [], E.QUEUE_TIMEOUT) is E.QUEUE_TIMEOUT


def test_without_an_attempt_it_is_the_refusal() -> None:
    nobody = World([], [route()]).decide()
    assert last_cause(nobody, []) is final_error(nobody, [], None) is E.NO_PERMITTED_BACKEND


def test_the_hint_is_the_shortest_if_all_gave_one() -> None:
    assert final_retry_after(DECISION, failures((E.STATUS_429, 9.0), (E.OVERLOADED, 6.0)), None) == 6
    assert final_retry_after(DECISION, failures((E.STATUS_429, 9.0), (E.GARBAGE, None)), None) is None
    assert final_retry_after(DECISION, failures((E.STATUS_429, 9.0)), 4.0) == 4
    assert final_retry_after(DECISION, [], 4.0) == 4
    assert final_retry_after(DECISION, [], None) is None
