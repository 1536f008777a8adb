"""What the log holds, and what it never does."""

import json
import logging

import pytest
from tieline_operator.telemetry import logs


def captured(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.fixture(autouse=True)
def _restored_logging() -> object:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield None
    root.handlers[:], root.level = before[0], before[1]


def test_one_json_object_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("tieline_operator.x").info("hello %s", "there")
    try:
        int("oh")
    except ValueError:
        logging.getLogger("tieline_operator.x").exception("failed")
    first, second = [json.loads(line) for line in captured(capsys)]
    assert (first["level"], first["message"], first["logger"]) == ("info", "hello there", "tieline_operator.x")
    assert "ValueError: invalid literal" in second["exception"]


def test_text_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    logging.getLogger("tieline_operator.x").warning("hello")
    [line] = captured(capsys)
    assert line.endswith("WARNING tieline_operator.x: hello")


@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("library", ["kopf", "kopf.objects", "kopf._cogs.clients.api", "aiohttp.access", "asyncio"])
def test_libraries_never_speak_below_warning(level: str, library: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug" if level == "debug" else "info", "text")
    logging.getLogger(library).debug("body: %r", {"data": "c2VjcmV0"})
    logging.getLogger(library).info("body: %r", {"data": "c2VjcmV0"})
    assert captured(capsys) == []
    logging.getLogger(library).warning("something that matters")
    assert len(captured(capsys)) == 1


@pytest.mark.parametrize(
    "message",
    [
        "Request attempt #3 failed; will retry: GET https://api/… -> ClientConnectorError",
        "Ignoring an unsupported event type: {'object': {'data': 'c2VjcmV0'}}",
        "OS signals are ignored: running not in the main thread.",
    ],
)
def test_what_kopf_says_about_lost_connections_is_noise(message: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    logging.getLogger("kopf._cogs.clients.api").error(message)
    assert captured(capsys) == []


def test_our_own_debug_level_works(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "text")
    logging.getLogger("tieline_operator.x").debug("detail")
    assert len(captured(capsys)) == 1
