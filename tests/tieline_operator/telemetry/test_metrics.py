"""Gauges follow the parts; labels are bounded; names are ours."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from tieline_api.snapshot import Hello
from tieline_operator.delivery.publications import Target
from tieline_operator.store import Store
from tieline_operator.telemetry import collect
from tieline_operator.telemetry.metrics import OperatorMetrics

from tests.support.virtual_time import virtual
from tests.tieline_operator.manifests import external, ref, route
from tests.tieline_operator.rig import RESOURCES, Rig


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_every_name_is_ours() -> None:
    families = list(OperatorMetrics().registry.collect())
    assert families
    assert all(family.name.startswith("tieline_operator_") for family in families)
    assert all(family.documentation.endswith(".") for family in families)


def test_state_and_store() -> None:
    metrics, store = OperatorMetrics(), Store(RESOURCES)
    store.put("ModelRoute", route())
    collect.collect_store(metrics, store)
    collect.collect_queues(metrics, {"snapshot": 1, "status": 7})
    collect.collect_state(metrics, leading=True, outage=False, expires=datetime(2026, 1, 1, tzinfo=UTC))
    assert value(metrics.registry, "tieline_operator_objects", kind="ModelRoute") == 1
    assert value(metrics.registry, "tieline_operator_queue_depth", queue="status") == 7
    assert value(metrics.registry, "tieline_operator_leader") == 1
    assert value(metrics.registry, "tieline_operator_api_outage") == 0
    assert value(metrics.registry, "tieline_operator_certificate_expiry_timestamp_seconds") == 1767225600


@virtual
async def test_routers_connected_and_behind() -> None:
    rig, metrics = Rig(), OperatorMetrics()
    rig.fleet("r-0", "r-1")
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    rig.answer(rig.join("r-0"))
    rig.join("p", target=Target("namespace/ai", "default"))
    rig.join("q", Hello(), Target("namespace/web", "default"))

    def lag() -> float | None:
        collect.collect_routers(metrics, rig.hub, rig.snapshots.fleets)
        return value(metrics.registry, "tieline_operator_acked_lag_routers", router_class="default")

    assert lag() == 1
    connected = "tieline_operator_connected_routers"
    assert value(metrics.registry, connected, scope="gateway", router_class="default") == 1
    assert value(metrics.registry, connected, scope="namespace", router_class="default") == 2
    rig.answer(rig.join("r-1"))
    assert lag() == 0
