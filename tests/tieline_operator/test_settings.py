"""The command line: every option also a variable, lists with commas, wrong values named."""

from pathlib import Path

import pytest
from tieline_api.commandline import parse
from tieline_operator import settings as module
from tieline_operator.settings import OperatorSettings


def read(*arguments: str) -> OperatorSettings:
    return parse(OperatorSettings, arguments, program="tieline-operator")


@pytest.mark.parametrize(
    ("variable", "field", "value", "expected"),
    [
        ("TIELINE_WATCH_NAMESPACES", "watch_namespaces", "ai, web", ("ai", "web")),
        ("TIELINE_WATCH_NAMESPACES", "watch_namespaces", "", ()),
        ("TIELINE_DNS_NAMES", "dns_names", "op.example.com,10.0.0.1", ("op.example.com", "10.0.0.1")),
        ("TIELINE_ROUTER_SERVICE_ACCOUNTS", "router_service_accounts", "a", ("a",)),
        ("TIELINE_EXPECTED_ROUTERS", "expected_routers", "default=2,batch=1", {"default": 2, "batch": 1}),
        ("TIELINE_ALLOW_PRIVATE", "allow_private", "true", True),
        ("TIELINE_RESYNC_SECONDS", "resync_seconds", "7.5", 7.5),
    ],
)
def test_variables(monkeypatch: pytest.MonkeyPatch, variable: str, field: str, value: str, expected: object) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(read(), field) == expected


def test_options_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_WATCH_NAMESPACES", "a,b")
    assert read("--watch-namespaces", "c", "--watch-namespaces", "d,e").watch_namespaces == ("c", "d", "e")
    assert read("--expected-routers", "default=3").expected_routers == {"default": 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watch-namespaces", "a,,b"], "--watch-namespaces (TIELINE_WATCH_NAMESPACES): holds an empty name"),
        (["--snapshot-port", "99999"], "--snapshot-port (TIELINE_SNAPSHOT_PORT)"),
        (["--expected-routers", "default=-1"], "--expected-routers (TIELINE_EXPECTED_ROUTERS): is not of the form"),
        (["--expected-routers", "default=two"], "--expected-routers (TIELINE_EXPECTED_ROUTERS): is not of the form"),
        (["--lease-seconds", "1"], "--lease-retry-seconds < --lease-renew-deadline-seconds < --lease-seconds"),
        (["--workers", "0"], "--workers (TIELINE_WORKERS)"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_values_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read(*arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_help_names_every_option_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read("--help")
    assert caught.value.code == 0
    shown = "".join(capsys.readouterr().out.split())
    for field in OperatorSettings.model_fields:
        assert "--" + field.replace("_", "-") in shown
        assert f"TIELINE_{field.upper()}" in shown


def test_the_namespace_is_the_service_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    file.write_text("gateways\n")
    monkeypatch.setattr(module, "SERVICE_ACCOUNT_NAMESPACE", file)
    assert read().namespace == "gateways"
    file.unlink()
    assert read().namespace == "tieline-system"
    assert read("--namespace", "x").namespace == "x"


def test_the_certificate_carries_the_services_names_and_the_given_ones() -> None:
    names = read("--namespace", "sys", "--dns-names", "op.example.com").certificate_names()
    assert names == (
        "tieline-operator",
        "tieline-operator.sys",
        "tieline-operator.sys.svc",
        "tieline-operator.sys.svc.cluster.local",
        "op.example.com",
    )


def test_the_own_namespace_is_always_served() -> None:
    assert read().served_namespaces() is None
    assert read("--namespace", "sys", "--watch-namespaces", "ai").served_namespaces() == ("ai", "sys")


def test_heartbeats_come_often_enough_for_routers(capsys: pytest.CaptureFixture[str]) -> None:
    assert read("--heartbeat-seconds=10").heartbeat_seconds == 10
    with pytest.raises(SystemExit):
        read("--heartbeat-seconds=11")
    assert "heartbeat-seconds" in capsys.readouterr().err
