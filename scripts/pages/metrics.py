"""docs/metrics.md: every metric of both processes, from their registries."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from tieline_operator.telemetry.metrics import OperatorMetrics
from tieline_router.telemetry.metrics import EndpointSample, Metrics, StateSample

from scripts.pages.markdown import GENERATED, cell, code, table

INTRODUCTION = """# Metrics

Routers serve `/metrics` on the admin port (8081), the operator on 9090. Labels come from the configuration and from
closed lists, never from callers: `outcome` is `ok` or a name of [errors](errors.md). Counters end with `_total`,
histograms have `_bucket`, `_sum` and `_count`, times are in seconds.
"""


SUFFIXES = {"counter": "_total", "info": "_info"}
"""What the text format adds to a name."""


def registries() -> dict[str, CollectorRegistry]:
    """Process → its registry, with one sample of what is read when Prometheus asks."""
    router = Metrics(lambda: StateSample(endpoints=(EndpointSample("pool", "endpoint", 0, ejected=False),)))
    router.take_sample()
    return {"Router": router.registry, "Operator": OperatorMetrics().registry}


def labels(registry: CollectorRegistry) -> dict[str, tuple[str, ...]]:
    """Metric → its labels: as declared, else as sampled (a metric with labels and no child yet has no sample)."""
    found: dict[str, tuple[str, ...]] = {}
    for collector in registry._collector_to_names:  # noqa: SLF001 - prometheus_client has no public list of collectors
        for family in collector.collect():
            sampled = family.samples[0].labels if family.samples else {}
            source = collector if isinstance(collector, MetricWrapperBase) else family
            declared = getattr(source, "_labelnames", ())  # private, too
            found[family.name] = tuple(declared) or tuple(name for name in sampled if name != "le")
    return found


def rows(registry: CollectorRegistry) -> Iterator[list[str]]:
    known = labels(registry)
    for family in sorted(registry.collect(), key=lambda one: one.name):
        name = family.name + SUFFIXES.get(family.type, "")
        yield [code(name), family.type, ", ".join(map(code, known[family.name])), cell(family.documentation)]


def page() -> str:
    parts = [INTRODUCTION, GENERATED + "\n"]
    for process, registry in registries().items():
        parts += [f"## {process}\n", table(["metric", "type", "labels", "meaning"], rows(registry))]
    return "\n".join(parts)
