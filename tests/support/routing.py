"""Small configurations for tests of routing: pools, routes, consumers, live tables and draws that the test controls."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec
from tieline_api.snapshot import (
    Backend,
    Config,
    Consumer,
    Credential,
    Endpoint,
    Model,
    Pool,
    PoolEndpoints,
    Prices,
    Pricing,
    Route,
    SecretRef,
)
from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.decide import decide
from tieline_router.routing.decision import Candidate, Decision
from tieline_router.routing.ejection import Transition
from tieline_router.routing.endpoint import EndpointState, Lease
from tieline_router.routing.live import LiveTable
from tieline_router.routing.offers import CompiledPool
from tieline_router.routing.table import compile_table
from tieline_router.routing.view import RequestView

NOW = 1_700_000_000.0
NAMESPACE = "ai"


def pricing(prompt: str = "1", completion: str = "1", request: str | None = None) -> Pricing:
    per_request = None if request is None else Decimal(request)
    return Pricing(base=Prices(prompt=Decimal(prompt), completion=Decimal(completion), request=per_request))


def model(name: str = "m", price: str | None = "1", **fields: object) -> Model:
    """An offer; `price` is prompt and completion price alike."""
    made = Model(name=name, upstream_name=name, pricing=pricing(price, price) if price is not None else None)
    return msgspec.structs.replace(made, **fields)


def external(name: str, *models: Model, **fields: object) -> Pool:
    made = Pool(
        key=f"{NAMESPACE}/{name}",
        slug=name,
        display_name=name,
        type="External",
        base_url=f"https://{name}.example/api",
        models=models or (model(),),
    )
    return msgspec.structs.replace(made, **fields)


def own(name: str, *models: Model, **fields: object) -> Pool:
    made = Pool(
        key=f"{NAMESPACE}/{name}",
        slug=name,
        display_name=name,
        type="SelfHosted",
        models=models or (model(price=None),),
    )
    return msgspec.structs.replace(made, **fields)


def backend(name: str, model_name: str | None = "m", priority: int = 0, weight: int = 1) -> Backend:
    return Backend(pool=f"{NAMESPACE}/{name}", model=model_name, priority=priority, weight=weight)


def route(*backends: Backend, name: str = "r", models: tuple[str, ...] = ("coder",), **fields: object) -> Route:
    made = Route(key=f"{NAMESPACE}/{name}", namespace=NAMESPACE, models=models, backends=backends)
    return msgspec.structs.replace(made, **fields)


def consumer(name: str = "team", **fields: object) -> Consumer:
    return msgspec.structs.replace(Consumer(key=f"{NAMESPACE}/{name}", namespace=NAMESPACE), **fields)


def credential(name: str, version: str = "1", hosts: tuple[str, ...] = ()) -> Credential:
    return Credential(name=name, secret=SecretRef(id=f"secret-{name}", version=version), hosts=hosts)


def endpoints(
    *addresses: str, service: str | None = None, ready: bool = True, terminating: bool = False
) -> PoolEndpoints:
    listed = tuple(Endpoint(address=address, ready=ready, terminating=terminating) for address in addresses)
    return PoolEndpoints(endpoints=listed, service_address=service)


class World:
    """A table with its live state, on a clock that the test moves."""

    def __init__(
        self,
        pools: Sequence[Pool],
        routes: Sequence[Route],
        addresses: dict[str, PoolEndpoints] | None = None,
        consumers: Sequence[Consumer] = (),
    ) -> None:
        self.now = NOW
        self.table = compile_table(Config(pools=tuple(pools), routes=tuple(routes), consumers=tuple(consumers)))
        self.live = LiveTable()
        self.live.apply_config(self.table)
        if addresses is None:
            addresses = {p.key: endpoints("10.0.0.1:80") for p in pools if p.type == "SelfHosted"}
        self.live.apply_endpoints(addresses, self.now)
        held = {c.secret.id: c.secret.version for p in pools for c in p.credentials}
        self.live.apply_secrets(held)

    def pool(self, name: str) -> CompiledPool:
        return self.table.pools[f"{NAMESPACE}/{name}"]

    def begin(self, endpoint: EndpointState, credential: Credential | None = None, model_name: str = "") -> Lease:
        """An attempt at an endpoint, for its pool's first model where none is named."""
        offers = endpoint.pool.offers
        offer = offers[model_name or next(iter(offers))][0]
        return self.live.begin(endpoint, offer, credential, self.now)

    def attempt(
        self,
        endpoint: EndpointState,
        outcome: ErrorClass | None,
        credential: Credential | None = None,
        *,
        model_name: str = "",
        retry_after: float | None = None,
    ) -> Transition | None:
        """A whole attempt that takes no time."""
        return self.live.end(self.begin(endpoint, credential, model_name), outcome, self.now, retry_after)

    def decide(
        self, view: RequestView | None = None, caller: Caller | None = None, draw: Callable[[], float] | None = None
    ) -> Decision:
        return decide(
            view or RequestView(model="coder"),
            caller or Caller(NAMESPACE),
            self.table,
            self.live,
            self.now,
            draw or zero,
        )


def zero() -> float:
    """A draw that always takes the first."""
    return 0.0


def draws(*values: float) -> Callable[[], float]:
    """A draw that gives these values in order, and fails when more are asked for."""
    source = iter(values)

    def draw() -> float:
        try:
            return next(source)
        except StopIteration:
            raise AssertionError("more was drawn than the test foresaw") from None

    return draw


def pools_of(candidates: Iterable[Candidate]) -> list[str]:
    """The names of the candidates' pools, in order."""
    return [candidate.offer.pool.key.partition("/")[2] for candidate in candidates]


def codes_of(decision: Decision, name: str) -> list[str]:
    """The codes that excluded a pool."""
    return [out.code for out in decision.shortlist.exclusions if out.pool == f"{NAMESPACE}/{name}"]
