import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
from tieline_router.telemetry.logs import RequestLine, configure, log_request


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)


def written(output: io.StringIO, form: Literal["json", "text"], line: RequestLine) -> str:
    configure("info", form, output)
    log_request(line)
    logging.getLogger("tieline_router").debug("too little")
    return output.getvalue()


LINE = RequestLine(generation="gen-1", outcome="ok", status=200, attempts=("a 10.0.0.1:1 ok",), ms=1.5)


def test_one_json_object_per_request_without_what_is_absent(output: io.StringIO) -> None:
    line = json.loads(written(output, "json", LINE))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "tieline_router.requests",
        "message": "request",
        "generation": "gen-1",
        "outcome": "ok",
        "status": 200,
        "attempts": ["a 10.0.0.1:1 ok"],
        "ms": 1.5,
    }


def test_one_text_line_per_request(output: io.StringIO) -> None:
    line = written(output, "text", LINE)
    assert line.count("\n") == 1
    assert "INFO    request generation=gen-1 outcome=ok status=200 attempts=[a 10.0.0.1:1 ok] ms=1.5" in line


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (404, "info"), (499, "info"), (502, "warning")])
def test_what_is_not_the_callers_fault_is_a_warning(output: io.StringIO, status: int, level: str) -> None:
    assert json.loads(written(output, "json", RequestLine(status=status)))["level"] == level


@pytest.mark.parametrize("model", ['x\n2026 INFO    request outcome=ok "', "x\noutcome=ok", "x\x1b[2J", "x\x00"])
def test_a_name_from_a_caller_cannot_forge_a_line(output: io.StringIO, model: str) -> None:
    line = written(output, "text", RequestLine(model=model))
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_a_stack_stands_in_the_record(output: io.StringIO) -> None:
    configure("info", "json", output)
    logging.getLogger("x").error("broken", exc_info=ValueError("a bug"))
    line = json.loads(output.getvalue())
    assert "ValueError: a bug" in line["stack"]
