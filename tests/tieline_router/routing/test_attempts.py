"""Transcripts of the attempt machine: what came out, what went in, on a clock that the test moves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.snapshot import Fallback as WireFallback
from tieline_api.snapshot import FirstToken, Protocol, Retries, Timeouts
from tieline_router.errors import ERRORS, ErrorClass, Retry
from tieline_router.routing.attempts import Attempt, AttemptTimeouts, Fallback, Stop
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.steps import State
from tieline_router.routing.view import RequestView

from tests.support.attempts import Transcript, farm, three
from tests.support.routing import NOW, World, backend, credential, endpoints, external, model, own, route

E = ErrorClass


A, B, C = "a/a.example", "b/b.example", "c/c.example"


def test_the_first_answer_is_the_end() -> None:
    play = Transcript(three())
    assert play.next() == A
    play.attempts.commit()
    play.end(None)
    assert play.attempts.state is State.DONE
    with pytest.raises(RuntimeError, match="a bug in the caller"):
        play.next()


def test_a_failure_goes_elsewhere_until_the_attempts_are_used_up() -> None:
    play = Transcript(three())
    assert play.play(E.CONNECT_REFUSED, E.STATUS_5XX, E.TIMEOUT_FIRST_TOKEN) == [A, B, C, "✗ timeout_first_token"]
    assert [failure.error for failure in play.attempts.failures] == [
        E.CONNECT_REFUSED,
        E.STATUS_5XX,
        E.TIMEOUT_FIRST_TOKEN,
    ]
    assert play.stop().reason == "retries.attempts permits 3"
    assert Transcript(three(attempts=2)).play(E.STATUS_5XX) == [A, B, "✗ status_5xx"]
    assert Transcript(three(attempts=1)).play(E.STATUS_5XX) == [A, "✗ status_5xx"]


@pytest.mark.parametrize("error", [e for e in E if ERRORS[e].retry is Retry.NO])
def test_what_is_not_tried_again_stops_at_once(error: ErrorClass) -> None:
    assert Transcript(three()).play(error) == [A, f"✗ {error}"]


@pytest.mark.parametrize("error", [e for e in E if ERRORS[e].retry not in (Retry.NO, Retry.ONCE, Retry.OTHER_API)])
def test_what_is_tried_again_goes_to_the_next_pool(error: ErrorClass) -> None:
    assert Transcript(three()).play(error)[:2] == [A, B]


def test_after_the_content_commit_nothing_is_tried_again() -> None:
    play = Transcript(three())
    play.next()
    play.attempts.commit()
    play.attempts.commit()
    play.end(E.RESET_MID_STREAM)
    assert play.next() == "✗ reset_mid_stream"
    assert play.stop().reason == "content has reached the client, so nothing is tried again"
    assert play.next() == "✗ reset_mid_stream"


# -- one pool with several endpoints ----------------------------------------------------------------------------------


def test_another_endpoint_of_the_pool_comes_before_the_next_pool_but_does_not_eat_all_attempts() -> None:
    said = Transcript(farm(4, external("b"), attempts=5)).play(E.CONNECT_REFUSED)
    assert said == ["farm/10.0.0.0", "farm/10.0.0.1", B, "farm/10.0.0.2", "farm/10.0.0.3", "✗ connect_refused"]


def test_the_only_endpoint_is_tried_again_after_pauses_that_double() -> None:
    play = Transcript(farm(1))
    assert play.next() == "farm/10.0.0.0"
    assert play.pause() == 0
    play.end(E.RESET_BEFORE_HEADERS)
    assert play.next() == "farm/10.0.0.0"
    assert play.pause() == 0.25
    play.end(E.STATUS_5XX)
    assert play.next() == "farm/10.0.0.0"
    assert play.pause() == 0.5
    play.end(E.STATUS_5XX)
    assert play.next() == "✗ status_5xx"


@pytest.mark.parametrize("error", [E.TIMEOUT_FIRST_TOKEN, E.TIMEOUT_IDLE, E.TIMEOUT_RESPONSE])
def test_an_endpoint_that_hangs_is_not_asked_again(error: ErrorClass) -> None:
    assert Transcript(farm(1)).play(error) == ["farm/10.0.0.0", f"✗ {error}"]
    assert Transcript(farm(2)).play(error) == ["farm/10.0.0.0", "farm/10.0.0.1", f"✗ {error}"]


def test_neither_what_hung_nor_what_is_not_ready_any_more_is_repeated() -> None:
    found = farm(2, attempts=4)
    assert Transcript(found).play(E.TIMEOUT_FIRST_TOKEN, E.STATUS_5XX)[:4] == [
        "farm/10.0.0.0",
        "farm/10.0.0.1",
        "farm/10.0.0.1",
        "farm/10.0.0.1",
    ]
    play = Transcript(farm(1))
    play.next()
    play.end(E.STATUS_5XX)
    play.world.live.apply_endpoints({"ai/farm": endpoints("10.0.0.0:80", ready=False)}, play.world.now)
    assert play.next() == "✗ status_5xx"


def test_an_empty_answer_is_asked_for_once_more_elsewhere_where_there_is_an_elsewhere() -> None:
    assert Transcript(farm(2, attempts=5)).play(E.EMPTY) == ["farm/10.0.0.0", "farm/10.0.0.1", "✗ empty"]
    assert Transcript(farm(1, attempts=5)).play(E.EMPTY) == ["farm/10.0.0.0", "farm/10.0.0.0", "✗ empty"]


def test_endpoints_with_an_open_breaker_come_last_and_are_tried_when_nothing_else_is_left() -> None:
    found = farm(2)
    first = found.live.endpoints(found.pool("farm"), found.now)[0]
    for _ in range(5):
        found.live.end(found.begin(first), E.STATUS_5XX, found.now)
    assert Transcript(found).play(E.CONNECT_REFUSED)[:2] == ["farm/10.0.0.1", "farm/10.0.0.0"]


def test_a_shut_credential_is_passed_over_and_comes_last() -> None:
    wire = external("a", credentials=(credential("x"), credential("y")))
    found = World([wire], [route(backend("a"))])
    (endpoint,) = found.live.endpoints(found.pool("a"), found.now)
    for _ in range(5):
        found.attempt(endpoint, E.STATUS_404_MODEL, credential("x"))
    assert found.live.credentials.choose(found.pool("a"), endpoint.host, found.now) == credential("y")
    found.live.credentials.used("ai/a")
    assert Transcript(found).next() == f"{A}/y"
    for _ in range(5):
        found.attempt(endpoint, E.STATUS_404_MODEL, credential("y"))
    assert Transcript(found).next().startswith(f"{A}/"), "as the last survivor"


def test_what_cannot_be_translated_is_asked_of_another_api() -> None:
    claude = tuple(
        own(name, model(apis=("Messages",)), protocols=(Protocol(type="Anthropic", path=""),)) for name in "ab"
    )
    other = own("c", model(apis=("Responses",)))
    found = World([*claude, other], [route(backend("a"), backend("b"), backend("c"), strategy="Priority")])
    said = Transcript(found).play(E.UNTRANSLATABLE)
    assert [step[0] for step in said] == ["a", "c", "✗"]
    assert said[-1] == "✗ untranslatable"


# -- pools, credentials, models ---------------------------------------------------------------------------------------


def test_a_refused_credential_is_answered_with_another_one_then_with_another_pool() -> None:
    pools = [external("a", credentials=(credential("x"), credential("y"))), external("b")]
    for error in (E.STATUS_401_402_403, E.STATUS_429):
        assert Transcript(three(pools=pools, attempts=5)).play(error)[:3] == [f"{A}/x", f"{A}/y", B]


def test_a_wrong_model_name_rules_out_the_offer_a_redirect_the_pool() -> None:
    pools = [external("a", model(), model(variant="fp8")), external("b")]
    assert Transcript(three(pools=pools)).play(E.STATUS_404_MODEL) == [A, A, B, "✗ status_404_model"]
    assert Transcript(three(pools=pools)).play(E.REDIRECT_REFUSED) == [A, B, "✗ redirect_refused"]


def test_a_failure_of_the_whole_pool_spares_its_other_endpoints() -> None:
    assert Transcript(farm(3, external("b"))).play(E.REDIRECT_REFUSED) == ["farm/10.0.0.0", B, "✗ redirect_refused"]


def test_what_is_ruled_out_is_not_repeated_either() -> None:
    pools = [external("a"), external("b")]
    said = Transcript(three(pools=pools, attempts=4)).play(E.STATUS_404_MODEL, E.STATUS_5XX)
    assert said == [A, B, B, B, "✗ status_5xx"]


def test_a_prompt_that_is_too_long_goes_only_where_there_is_more_room() -> None:
    sizes = {"a": 8000, "b": 4000, "c": 32000, "d": None}
    pools = [external(name, model(context_length=size)) for name, size in sizes.items()]
    said = Transcript(three(pools=pools, attempts=9)).play(E.CONTEXT_LENGTH)
    assert said == [A, C, "d/d.example", "✗ context_length"]


def test_a_rate_limit_is_told_only_if_nothing_else_went_wrong() -> None:
    assert Transcript(three()).play(E.STATUS_429)[-1] == "✗ status_429"
    assert Transcript(three()).play(E.STATUS_5XX, E.STATUS_429)[-1] == "✗ status_5xx"
    assert Transcript(three()).play(E.STATUS_429, E.STATUS_429, E.CONNECT_TIMEOUT)[-1] == "✗ connect_timeout"


# -- pauses -----------------------------------------------------------------------------------------------------------


def test_retry_after_is_a_floor_for_the_same_place() -> None:
    play = Transcript(farm(1))
    play.next()
    play.end(E.STATUS_429, 2.0)
    assert play.next() == "farm/10.0.0.0"
    assert play.pause() == 2.0
    play.end(E.OVERLOADED, 0.1)
    assert play.next() == "farm/10.0.0.0"
    assert play.pause() == 0.5


@pytest.mark.parametrize(("first", "second", "sooner"), [(1.0, 3.0, A), (3.0, 1.0, B)])
def test_the_place_that_is_free_sooner_is_repeated(first: float, second: float, sooner: str) -> None:
    play = Transcript(three(pools=[external("a"), external("b")]))
    for hint in (first, second):
        play.next()
        play.end(E.STATUS_429, hint)
    assert play.next() == sooner
    assert play.pause() == 1.0


def test_a_pause_that_is_too_long_is_left_to_the_client() -> None:
    play = Transcript(farm(1))
    play.next()
    play.end(E.STATUS_429, 30.0)
    assert play.next() == "✗ status_429"
    assert play.stop().retry_after == 30.0


def test_a_pause_of_the_only_credential_is_waited_for() -> None:
    play = Transcript(World([external("a", credentials=(credential("x"),))], [route(backend("a"))]))
    play.next()
    play.end(E.STATUS_429, 3.0)
    assert play.next() == f"{A}/x"
    assert play.pause() == 3.0


def test_the_client_is_told_the_shortest_hint_if_all_gave_one() -> None:
    play = Transcript(three())
    for hint in (9.0, 6.0, 7.0):
        play.next()
        play.end(E.STATUS_429, hint)
    play.next()
    assert play.stop().retry_after == 6.0
    play = Transcript(three())
    for other in (9.0, None, 7.0):
        play.next()
        play.end(E.STATUS_429, other)
    play.next()
    assert play.stop().retry_after is None


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_a_spent_retry_budget_ends_the_search() -> None:
    found = three(attempts=9)
    budget = found.live.budget(found.table.routes["ai/r"])
    while budget.permits(found.now):
        budget.spend(found.now)
    play = Transcript(found)
    assert play.play(E.STATUS_5XX) == [A, "✗ status_5xx"]
    assert play.stop().reason == "the route's retry budget is spent"
    assert Transcript(three(budget=0)).play(E.STATUS_5XX) == [A, "✗ status_5xx"]


def test_retries_spend_and_successes_earn() -> None:
    found = three()
    budget = found.live.budget(found.table.routes["ai/r"])
    play = Transcript(found)
    play.next()
    play.end(E.STATUS_5XX)
    assert budget.retries == 0
    play.next()
    assert budget.retries == 1
    play.end(None)
    assert budget.successes == 1


def test_the_total_time_ends_the_search() -> None:
    found = three(timeouts=Timeouts(request=60.0))
    play = Transcript(found)
    play.next()
    assert isinstance(play.step, Attempt)
    assert play.step.timeouts.deadline == NOW + 60
    play.end(E.CONNECT_TIMEOUT)
    found.now += 60
    assert play.next() == "✗ timeout_total"


def test_no_pause_beyond_the_total_time() -> None:
    found = World([external("a")], [route(backend("a"), timeouts=Timeouts(request=60.0))])
    play = Transcript(found)
    play.next()
    found.now += 59
    play.end(E.STATUS_429, 2.0)
    assert play.next() == "✗ status_429"
    assert play.stop().reason == "the pause is longer than the time left"


def test_timeouts_come_from_the_route_and_zero_switches_off() -> None:
    limits = Timeouts(
        connect=2.0, first_token=FirstToken(base=10.0, per_thousand_tokens=0.5), response=0.0, idle=7.0, request=0.0
    )
    play = Transcript(three(timeouts=limits), RequestView(model="coder", prompt_tokens=4000))
    play.next()
    assert isinstance(play.step, Attempt)
    assert play.step.timeouts == AttemptTimeouts(2.0, 12.0, None, 7.0, None)
    off = Transcript(three(timeouts=Timeouts(first_token=FirstToken(base=0.0))))
    off.next()
    assert isinstance(off.step, Attempt)
    assert off.step.timeouts.first_token is None


# -- fallbacks --------------------------------------------------------------------------------------------------------


def to(name: str, *when: str, pool: str = "f") -> WireFallback:
    return WireFallback(model=name, when=when or ("Any",), backends=(backend(pool, None),))  # type: ignore[arg-type]


def with_fallbacks(*fallbacks: WireFallback, attempts: int = 1) -> World:
    pools = [external("a"), external("f", model("x"), model("y"), model("z"))]
    return World(pools, [route(backend("a"), fallbacks=fallbacks, retries=Retries(attempts=attempts))])


F = "f/f.example"


@pytest.mark.parametrize(
    ("error", "when", "follows"),
    [
        (E.STATUS_5XX, "Capacity", True),
        (E.STATUS_429, "Capacity", True),
        (E.STATUS_5XX, "ContextLength", False),
        (E.CONTEXT_LENGTH, "ContextLength", True),
        (E.CONTEXT_LENGTH, "Capacity", False),
        (E.CONTENT_POLICY, "ContentPolicy", True),
        (E.CONTENT_POLICY, "Capacity", False),
        (E.GARBAGE, "Any", True),
        (E.GARBAGE, "Capacity", False),
        (E.STATUS_5XX, "Any", True),
        (E.CONTENT_POLICY, "Any", True),
        (E.BAD_REQUEST, "Any", False),
        (E.CLIENT_DISCONNECTED, "Any", False),
        (E.TIMEOUT_TOTAL, "Any", False),
    ],
)
def test_a_fallback_follows_the_errors_that_it_names(error: ErrorClass, when: str, follows: bool) -> None:
    said = Transcript(with_fallbacks(to("x", when))).play(error)
    assert said == ([A, "→ x", F, f"✗ {error}"] if follows else [A, f"✗ {error}"])


def test_fallbacks_come_in_order_each_with_attempts_of_its_own() -> None:
    found = with_fallbacks(to("x"), to("y", "ContextLength"), to("z", "Capacity"), attempts=2)
    play = Transcript(found)
    assert play.play(E.CONNECT_REFUSED) == [A, A, "→ x", F, F, "→ z", F, F, "✗ connect_refused"]
    numbers = [failure.attempt.number for failure in play.attempts.failures]
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert [failure.attempt.model for failure in play.attempts.failures][2:4] == ["x", "x"]


def test_the_kind_of_each_failure_decides_anew() -> None:
    found = with_fallbacks(to("x", "Capacity"), to("y", "ContextLength"))
    assert Transcript(found).play(E.STATUS_5XX, E.CONTEXT_LENGTH)[:5] == [A, "→ x", F, "→ y", F]


def test_a_model_without_candidates_goes_to_its_fallback() -> None:
    found = with_fallbacks(to("x", "Capacity"))
    (endpoint,) = found.live.endpoints(found.pool("a"), found.now)
    found.live.end(found.begin(endpoint), E.STATUS_429, found.now, 30.0)
    play = Transcript(found)
    assert play.decision.refusal is E.CAPACITY_EXHAUSTED
    assert play.next() == "→ x"
    assert play.next() == F
    play.end(None)


def test_a_fallback_without_candidates_is_passed_over_and_the_first_error_is_told() -> None:
    found = with_fallbacks(WireFallback(model="nowhere"), to("x", "Capacity"))
    assert Transcript(found).play(E.STATUS_5XX) == [A, "→ nowhere", "→ x", F, "✗ status_5xx"]
    found = with_fallbacks(WireFallback(model="nowhere"))
    assert Transcript(found).play(E.STATUS_5XX) == [A, "→ nowhere", "✗ status_5xx"]


def test_nobody_at_all_is_the_refusal() -> None:
    play = Transcript(with_fallbacks(), RequestView(model="nobody"))
    assert play.next() == "✗ model_not_found"
    found = with_fallbacks()
    (endpoint,) = found.live.endpoints(found.pool("a"), found.now)
    found.live.end(found.begin(endpoint), E.STATUS_429, found.now, 30.0)
    play = Transcript(found)
    assert play.next() == "✗ capacity_exhausted"
    assert play.stop().retry_after == 30.0


# -- the machine ------------------------------------------------------------------------------------------------------


def test_misuse_is_a_bug_that_is_told() -> None:
    play = Transcript(three())
    with pytest.raises(RuntimeError, match="commit in state ready"):
        play.attempts.commit()
    with pytest.raises(RuntimeError, match="answer in state ready"):
        play.attempts.succeed(NOW)
    with pytest.raises(RuntimeError, match="no such attempt is under way"):
        play.attempts.fail(E.STATUS_5XX)
    play.next()
    with pytest.raises(RuntimeError, match="next in state trying"):
        play.next()


outcomes = st.lists(
    st.tuples(st.sampled_from(list(E)[:28]), st.none() | st.floats(0, 10), st.floats(0, 5)), max_size=30
)


@settings(max_examples=200)
@given(outcomes, st.integers(1, 4), st.booleans())
def test_every_request_ends_within_its_bounds(
    ends: list[tuple[ErrorClass, float | None, float]], attempts: int, fallbacks: bool
) -> None:
    pools = [own("a"), external("b", credentials=(credential("k"), credential("l"))), external("f", model("x"))]
    listed = (to("x"),) if fallbacks else ()
    limits = Timeouts(request=100.0)
    refs = (backend("a"), backend("b"))
    found = World(
        pools,
        [route(*refs, fallbacks=listed, retries=Retries(attempts=attempts), timeouts=limits)],
        {"ai/a": endpoints("10.0.0.1:80", "10.0.0.2:80")},
    )
    play = Transcript(found)
    tried: list[EndpointState] = []
    left = [*ends, *([(E.STATUS_5XX, None, 0.1)] * 40)]
    for error, hint, wait in left:
        play.next()
        while isinstance(play.step, Fallback):
            play.next()
        if isinstance(play.step, Stop):
            break
        assert isinstance(play.step, Attempt)
        assert play.pause() <= 5.0
        assert play.step.not_before < NOW + 100
        tried.append(play.step.endpoint)
        play.end(error, hint)
        found.now += wait
    assert isinstance(play.step, Stop)
    assert len(tried) <= attempts * (2 if fallbacks else 1)
    assert all(endpoint.in_flight == 0 for endpoint in tried)
