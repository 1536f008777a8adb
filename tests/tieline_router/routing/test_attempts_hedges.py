"""Two attempts at a time: who may start, who wins, what the loser leaves behind."""

import pytest
from tieline_api.snapshot import Hedging, Limits, Pool, Retries
from tieline_router.errors import ErrorClass
from tieline_router.routing.attempts import Attempt, Stop
from tieline_router.routing.hedging import MIN_SAMPLES
from tieline_router.routing.steps import State
from tieline_router.routing.view import RequestView

from tests.support.attempts import Transcript
from tests.support.routing import World, backend, external, route

E = ErrorClass
RULE = Hedging(after_percentile=90, max_percent=50)
STREAM = RequestView(model="coder", stream=True, prompt_tokens=100)


def world(*pools: Pool, rule: Hedging | None = RULE, attempts: int = 3, samples: int = MIN_SAMPLES) -> World:
    """Pools a and b, whose first content has come after 1 s, in a route that has had requests."""
    found = pools or (external("a"), external("b"))
    refs = [backend(pool.slug) for pool in found]
    made = World(found, [route(*refs, strategy="Priority", hedging=rule, retries=Retries(attempts=attempts))])
    hedging = made.live.hedging(made.table.routes["ai/r"])
    if hedging is not None:
        for _ in range(samples):
            hedging.requested(made.now)
            for pool in found:
                hedging.sample(pool.key, 100, 1.0, made.now)
    return made


def begun(found: World, view: RequestView = STREAM) -> tuple[Transcript, Attempt]:
    play = Transcript(found, view)
    play.next()
    assert isinstance(play.step, Attempt)
    return play, play.step


def hedged(found: World) -> tuple[Transcript, Attempt, Attempt]:
    play, first = begun(found)
    found.now += 2
    second = play.attempts.hedge(found.now)
    assert second is not None
    return play, first, second


def test_a_second_attempt_may_start_after_the_percentile_at_another_endpoint() -> None:
    found = world()
    play, first = begun(found)
    assert first.hedge_at == pytest.approx(found.now + 1, rel=0.1)
    found.now += 2
    second = play.attempts.hedge(found.now)
    assert second is not None
    assert (first.offer.pool.key, second.offer.pool.key) == ("ai/a", "ai/b")
    assert (first.number, second.number) == (1, 2)
    assert second.hedge_at is None
    assert play.attempts.hedge(found.now) is None, "two at a time"


@pytest.mark.parametrize(
    ("found", "view"),
    [
        (world(rule=None), STREAM),
        (world(samples=MIN_SAMPLES - 1), STREAM),
        (world(), RequestView(model="coder", prompt_tokens=100)),
        (world(), RequestView(model="coder", stream=True, prompt_tokens=100_000)),
    ],
    ids=["no rule", "unknown", "plain", "no such prompts"],
)
def test_what_is_not_hedged(found: World, view: RequestView) -> None:
    _, first = begun(found, view)
    assert first.hedge_at is None


def test_the_budget_the_attempts_and_the_time_bound_it() -> None:
    spent = world()
    hedging = spent.live.hedging(spent.table.routes["ai/r"])
    assert hedging is not None
    while hedging.permits(spent.now):
        hedging.spend(spent.now)
    only_one = world(external("a"))
    once = world(attempts=1)
    for found in (spent, only_one, once):
        play, first = begun(found)
        assert first.hedge_at is not None
        assert play.attempts.hedge(first.hedge_at) is None
    late = world()
    play, _ = begun(late)
    assert play.attempts.hedge(late.now + 900) is None


def test_a_hedge_is_paid_from_the_budget() -> None:
    found = world()
    hedging = found.live.hedging(found.table.routes["ai/r"])
    assert hedging is not None
    while hedging.permits(found.now):
        hedging.spend(found.now)
    for _ in range(2):
        hedging.requested(found.now)
    assert begun(found)[0].attempts.hedge(found.now + 1) is not None
    assert not hedging.permits(found.now + 1)


def test_no_hedge_where_it_would_have_to_queue_or_break_in() -> None:
    full = world(external("a"), external("b", limits=Limits(concurrency=1, queue_depth=9)))
    (endpoint,) = full.live.endpoints(full.pool("b"), full.now)
    gate = full.live.admission.gate(full.pool("b"))
    assert gate is not None
    ticket = gate.enter("other", full.now, 1e12)
    play, _ = begun(full)
    assert play.attempts.hedge(full.now + 2) is None
    assert ticket is not None
    ticket.give_back(full.now)
    second = play.attempts.hedge(full.now + 2)
    assert second is not None
    assert second.ticket is not None
    broken = world()
    (endpoint,) = broken.live.endpoints(broken.pool("b"), broken.now)
    for _ in range(5):
        broken.attempt(endpoint, E.STATUS_5XX)
    play, _ = begun(broken)
    assert play.attempts.hedge(broken.now + 2) is None


@pytest.mark.parametrize("winner", [0, 1])
def test_the_first_that_commits_wins(winner: int) -> None:
    found = world()
    play, *both = hedged(found)
    assert play.attempts.commit(found.now, both[winner]) == (both[1 - winner],)
    assert play.attempts.state is State.COMMITTED
    assert play.attempts.succeed(found.now) == ()
    assert play.attempts.failures == []


@pytest.mark.parametrize("winner", [0, 1])
def test_an_answer_without_a_commit_wins_too(winner: int) -> None:
    found = world()
    play, *both = hedged(found)
    assert play.attempts.succeed(found.now, both[winner]) == (both[1 - winner],)
    assert play.attempts.state is State.DONE


def test_a_lost_hedge_leaves_no_mark() -> None:
    found = world()
    play, first, second = hedged(found)
    leases = [found.live.begin(a.endpoint, a.offer, a.credential, found.now, a.ticket) for a in (first, second)]
    play.attempts.commit(found.now, second)
    assert found.live.end(leases[0], E.HEDGE_LOST, found.now) is None
    assert first.endpoint.in_flight == 0
    assert first.endpoint.breaker.failures == 0
    assert first.endpoint.models == {}


def test_if_one_fails_the_other_goes_on_and_if_both_fail_the_next_is_asked_for() -> None:
    for order in ((0, 1), (1, 0)):
        found = world()
        play, *both = hedged(found)
        assert play.attempts.fail(E.STATUS_5XX, attempt=both[order[0]])
        assert play.attempts.hedge(found.now) is None, "one has failed, the other is busy"
        assert not play.attempts.fail(E.CONNECT_REFUSED, attempt=both[order[1]])
        play.next()
        assert isinstance(play.step, Attempt)
        assert play.step.number == 3
        assert [failure.attempt for failure in play.attempts.failures] == [both[order[0]], both[order[1]]]


def test_after_a_failure_the_survivor_can_win() -> None:
    found = world()
    play, first, second = hedged(found)
    play.attempts.fail(E.TIMEOUT_FIRST_TOKEN, attempt=first)
    assert play.attempts.commit(found.now) == ()
    assert play.attempts.fail(E.RESET_MID_STREAM, attempt=second) is False
    play.next()
    assert isinstance(play.step, Stop)
    assert play.step.error is E.RESET_MID_STREAM


def test_a_report_about_a_loser_is_a_bug() -> None:
    found = world()
    play, first, second = hedged(found)
    play.attempts.commit(found.now, first)
    with pytest.raises(RuntimeError, match="no such attempt"):
        play.attempts.fail(E.STATUS_5XX, attempt=second)


def test_times_to_first_content_are_learned_also_from_those_that_lost() -> None:
    found = world(samples=0)
    hedging = found.live.hedging(found.table.routes["ai/r"])
    assert hedging is not None
    for _ in range(MIN_SAMPLES):
        play, first = begun(found)
        play.attempts.commit(found.now + 3, first)
    assert hedging.delay("ai/a", 100, found.now) == pytest.approx(3, rel=0.1)
    assert hedging.delay("ai/b", 100, found.now) is None
    for _ in range(2 * MIN_SAMPLES):
        for _ in range(9):
            hedging.requested(found.now)
        play, first, second = hedged(found)
        play.attempts.commit(found.now + 5, second)
    assert hedging.delay("ai/a", 100, found.now) == pytest.approx(7, rel=0.1)
    assert hedging.delay("ai/b", 100, found.now) == pytest.approx(5, rel=0.1)
