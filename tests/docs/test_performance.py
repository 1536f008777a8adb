"""The tables of figures in the documents are those of the stored results, and the page tells how they came about."""

import re
from typing import Any

import pytest
from tieline_operator.causes import ACK_SECONDS
from tieline_operator.settings import OperatorSettings
from tieline_router.runtime.operator_stream import FIRST_DELAY

from bench import figures, report
from bench.observing import POLL_SECONDS
from tests.docs import markdown

PAGE = (markdown.ROOT / "docs" / "performance.md").read_text()


@pytest.mark.parametrize("path", report.DOCUMENTS, ids=lambda path: path.name)
def test_a_document_shows_the_stored_figures(path: Any) -> None:
    text = path.read_text()
    assert report.PLACE.search(text) is not None
    assert report.filled(text) == text, "run `.venv/bin/python -m bench.report`"


def test_a_changed_figure_would_be_noticed() -> None:
    stored = figures.load("edits")["edits"]["applyToAcked"]["p50"]
    assert f"{stored:.2f} s" in PAGE
    assert report.filled(PAGE.replace(f"{stored:.2f} s", f"{stored + 1:.2f} s")) == PAGE


def test_every_table_is_shown() -> None:
    shown = {place["name"] for path in report.DOCUMENTS for place in report.PLACE.finditer(path.read_text())}
    assert shown == set(report.PARTS)


def test_results_say_where_they_come_from() -> None:
    for name in ("edits", "scale"):
        machine = figures.load(name)["machine"]
        assert re.fullmatch(r"[0-9a-f]{12}", machine["commit"])
        assert {"date", "cores", "processor", "kernel", "python", "packages", "load"} <= machine.keys()


def test_the_page_names_the_paces_of_the_code() -> None:
    assert f"`--debounce-seconds` ({OperatorSettings.model_fields['debounce_seconds'].default:g} s)" in PAGE
    assert f"collected for {ACK_SECONDS:g} s" in PAGE
    assert f"doubles from {FIRST_DELAY:g} s" in PAGE
    assert f"asked every {POLL_SECONDS * 1000:g} ms" in PAGE
