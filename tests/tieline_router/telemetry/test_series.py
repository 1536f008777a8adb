from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from tieline_router.telemetry.series import Counters, Histograms


class Collecting(Collector):
    def __init__(self, series: Counters | Histograms) -> None:
        self._series = series

    def collect(self) -> list[Metric]:
        return list(self._series.collect())


def rendered(series: Counters | Histograms) -> str:
    registry = CollectorRegistry()
    registry.register(Collecting(series))
    return generate_latest(registry).decode()


def test_a_histogram_says_what_the_clients_own_would_say() -> None:
    bounds, values = (0.01, 0.1, 1, 2.5), (0.0, 0.01, 0.011, 0.5, 1, 99)
    registry = CollectorRegistry()
    library = Histogram("x_seconds", "Text.", ("route",), registry=registry, buckets=bounds)
    ours = Histograms("x_seconds", "Text.", ("route",), bounds)
    for value in values:
        library.labels("r").observe(value)
        ours.observe(("r",), value)
    expected = [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
    assert rendered(ours).splitlines() == expected


def test_series_that_are_not_kept_are_gone() -> None:
    counters = Counters("x", "Text.", ("route", "outcome"))
    counters.add(("a", "ok"))
    counters.add(("a", "ok"), 2)
    counters.add(("b", "ok"))
    counters.keep(lambda labels: labels[0] == "a")
    assert 'x_total{outcome="ok",route="a"} 3.0' in rendered(counters)
    assert '"b"' not in rendered(counters)
