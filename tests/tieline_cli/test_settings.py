import pytest
from tieline_api.commandline import parse
from tieline_cli.settings import DevSettings, is_loopback


def dev(*arguments: str) -> DevSettings:
    return parse(DevSettings, [".", *arguments], program="tieline dev")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.evil")),
    ],
)
def test_only_what_cannot_be_reached_from_outside_counts_as_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_keys_are_optional_on_loopback_and_required_beyond() -> None:
    assert dev().effective_auth == "Optional"
    assert dev("--auth", "Required").effective_auth == "Required"
    assert dev("--host", "0.0.0.0").effective_auth == "Required"


def test_anonymous_callers_from_outside_are_refused_at_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        dev("--host", "0.0.0.0", "--auth", "Optional")
    assert stopped.value.code == 2
    assert "can be reached from outside" in capsys.readouterr().err


def test_every_option_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_PORT", "9000")
    monkeypatch.setenv("TIELINE_OUTPUT", "json")
    assert (dev().port, dev().output, dev("--port", "1").port) == (9000, "json", 1)


def test_a_folder_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(DevSettings, ["/no/such/folder"], program="tieline dev")
    assert "/no/such/folder: no such file or folder" in capsys.readouterr().err
