"""Transcripts of the attempt machine: what came out, what went in, on a clock that the test moves."""

from collections.abc import Callable

from tieline_api.snapshot import Pool, Retries, Route
from tieline_router.errors import ErrorClass
from tieline_router.routing.attempts import Attempt, Attempts, Fallback, Step, Stop, Wait
from tieline_router.routing.callers import Caller
from tieline_router.routing.endpoint import Lease
from tieline_router.routing.view import RequestView

from tests.support.routing import World, backend, endpoints, external, own, route, zero


def begun(found: World, attempt: Attempt) -> Lease:
    return found.live.begin(attempt.endpoint, attempt.offer, attempt.credential, found.now, attempt.ticket)


class Transcript:
    """Plays one request against the machine as the runtime does, and writes down what it was told."""

    def __init__(
        self,
        found: World,
        view: RequestView | None = None,
        caller: Caller | None = None,
        draw: Callable[[], float] = zero,
    ) -> None:
        self.world = found
        self.decision = found.decide(view, caller, draw)
        self.attempts = Attempts(self.decision, found.live, draw, found.now)
        self.lease: Lease | None = None
        self.step: Step | None = None

    def next(self) -> str:
        """`pool/address/credential`, `… pool`, `→ model`, or `✗ error`."""
        self.step = self.attempts.next(self.world.now)
        match self.step:
            case Attempt():
                parts = [self.step.offer.pool.wire.slug, self.step.endpoint.name.rpartition(":")[0]]
                return "/".join([*parts, *([self.step.credential.name] if self.step.credential else [])])
            case Wait():
                return f"… {self.step.pool}"
            case Fallback():
                return f"→ {self.step.model}"
            case Stop():
                return f"✗ {self.step.error}"

    def begin(self) -> None:
        """The attempt under way takes its lease; without this `end` takes it."""
        assert isinstance(self.step, Attempt)
        self.lease = begun(self.world, self.step)

    def end(self, outcome: ErrorClass | None, retry_after: float | None = None) -> None:
        """The attempt under way ends."""
        assert isinstance(self.step, Attempt)
        self.world.now = max(self.world.now, self.step.not_before)
        live = self.world.live
        lease = self.lease or begun(self.world, self.step)
        live.end(lease, outcome, self.world.now, retry_after)
        self.lease = None
        if outcome is None:
            self.attempts.succeed(self.world.now)
        else:
            self.attempts.fail(outcome, retry_after)

    def play(self, *outcomes: ErrorClass) -> list[str]:
        """Everything that is said when attempts end one after the other with these errors; the last one repeats."""
        said = []
        left = list(outcomes)
        while True:
            said.append(self.next())
            if isinstance(self.step, Stop):
                return said
            if isinstance(self.step, Attempt):
                self.end(left.pop(0) if len(left) > 1 else left[0])

    def pause(self) -> float:
        assert isinstance(self.step, Attempt)
        return self.step.not_before - self.world.now

    def stop(self) -> Stop:
        assert isinstance(self.step, Stop)
        return self.step


def three(*, attempts: int = 3, budget: int = 20, pools: list[Pool] | None = None, **fields: object) -> World:
    """Pools a, b and c, tried in this order."""
    found = pools or [external("a"), external("b"), external("c")]
    refs = [backend(pool.slug) for pool in found]
    retries = Retries(attempts=attempts, budget_percent=budget)
    made: Route = route(*refs, strategy="Priority", retries=retries, **fields)  # type: ignore[arg-type]
    return World(found, [made])


def farm(count: int, *others: Pool, attempts: int = 3) -> World:
    pools = [own("farm"), *others]
    refs = [backend(pool.slug) for pool in pools]
    addresses = {"ai/farm": endpoints(*(f"10.0.0.{i}:80" for i in range(count)))}
    return World(pools, [route(*refs, strategy="Priority", retries=Retries(attempts=attempts))], addresses)
