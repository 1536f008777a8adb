"""The short look at the first pool finds what the walk finds; the walk itself is shown by the attempts' transcripts."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.snapshot import Endpoint, Limits, PoolEndpoints
from tieline_router.errors import ErrorClass
from tieline_router.routing.places import Full, Place, Places

from tests.support.routing import World, backend, credential, external, own, route

troubles = st.sampled_from([None, None, None, ErrorClass.STATUS_5XX, ErrorClass.OVERLOADED, ErrorClass.STATUS_429])


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), troubles, st.integers(0, 2)), min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from([None, Limits(concurrency=1, queue_depth=1), Limits(concurrency=9)]),
    st.integers(0, 100),
)
def test_the_short_look_finds_what_the_walk_finds(
    states: list[tuple[bool, bool, ErrorClass | None, int]], keys: int, limits: Limits | None, seed: int
) -> None:
    listed = PoolEndpoints(
        endpoints=tuple(
            Endpoint(address=f"10.0.0.{place}:80", ready=ready or place == 0, terminating=leaving and place > 0)
            for place, (ready, leaving, _, _) in enumerate(states)
        )
    )
    wire = own("p", credentials=tuple(credential(f"c{number}") for number in range(keys)), limits=limits)
    found = World([wire, external("q")], [route(backend("p"), backend("q"), strategy="Priority")], {"ai/p": listed})
    pool = found.pool("p")
    gate = found.live.admission.gate(pool)
    for endpoint, (_, _, trouble, load) in zip(found.live.endpoints(pool, found.now), states, strict=True):
        if trouble is not None:
            found.attempt(endpoint, trouble, wire.credentials[0] if keys else None)
        endpoint.in_flight = load
        if gate is not None and load == 2:
            gate.enter("other", found.now, found.now + 9)
    shortlist = found.decide().shortlist
    short = Places(shortlist, found.live, Random(seed).random)._first(found.now)
    walked = Places(shortlist, found.live, Random(seed).random)._fresh(found.now, open_too=False)
    assert short is None or short == walked
    if walked is not None and not any(trouble or leaving for _, leaving, trouble, _ in states):
        assert isinstance(walked, Place | Full)
        assert short is not None or (gate is not None and not gate.free)
