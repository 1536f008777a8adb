from prometheus_client.parser import text_string_to_metric_families
from tieline_router.errors import ErrorClass
from tieline_router.streaming.usage import Usage
from tieline_router.telemetry.metrics import EndpointSample, Metrics, StateSample


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    metrics.take_sample()
    text = metrics.render().decode()
    return {
        (sample.name.removeprefix("tieline_router_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_attempts_and_tokens() -> None:
    metrics = Metrics(StateSample)
    metrics.request("ai/coder", None, stream=True, seconds=0.2)
    metrics.request("", ErrorClass.INVALID_JSON, stream=False, seconds=0.001)
    metrics.attempt("ai/own", None)
    metrics.attempt("ai/own", ErrorClass.STATUS_5XX)
    metrics.usage("ai/own", Usage(10, 5, 4, 0), 0.002)
    metrics.first_token("ai/coder", 0.1)
    metrics.frame("config", "refused")
    found = samples(metrics)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("requests_total", route="ai/coder", outcome="ok") == 1
    assert value("requests_total", route="-", outcome="invalid_json") == 1
    assert value("attempts_total", pool="ai/own", outcome="status_5xx") == 1
    assert value("tokens_total", pool="ai/own", kind="prompt") == 10
    assert value("tokens_total", pool="ai/own", kind="cached") == 4
    assert ("tokens_total", frozenset({("pool", "ai/own"), ("kind", "reasoning")})) not in found
    assert value("estimated_cost_usd_total", pool="ai/own") == 0.002
    assert value("request_duration_seconds_count", route="ai/coder", stream="true") == 1
    assert value("time_to_first_token_seconds_bucket", route="ai/coder", le="0.1") == 1
    assert value("snapshot_frames_total", frame="config", result="refused") == 1


def test_state_is_read_when_prometheus_asks() -> None:
    state = StateSample()
    metrics = Metrics(lambda: state)
    before = samples(metrics)
    assert before["operator_connected", frozenset()] == 0
    assert str(before["endpoints_confirmed_timestamp_seconds", frozenset()]) == "nan", "unknown is not zero"
    state = StateSample(
        endpoints=(EndpointSample("ai/own", "10.0.0.1:1", 3, ejected=True),),
        config_epoch=2,
        config_counter=7,
        applied_at=5.0,
        endpoints_confirmed_at=6.0,
        operator_connected=True,
    )
    after = samples(metrics)
    endpoint = frozenset({("pool", "ai/own"), ("endpoint", "10.0.0.1:1")})
    assert (after["endpoint_in_flight_requests", endpoint], after["endpoint_ejected", endpoint]) == (3, 1)
    assert (after["snapshot_epoch", frozenset()], after["snapshot_counter", frozenset()]) == (2, 7)
    assert after["endpoints_confirmed_timestamp_seconds", frozenset()] == 6
    assert after["operator_connected", frozenset()] == 1
