from __future__ import annotations

from bench import report


def test_a_table_is_markdown() -> None:
    assert report.table(["what", "p50"], [["a", "1 s"]]) == "| what | p50 |\n| --- | ---: |\n| a | 1 s |\n"


def test_only_what_stands_between_the_marks_is_written() -> None:
    text = "before\n<!-- bench: edits -->\nold\n<!-- end of bench -->\nafter <!-- end of bench -->\n"
    filled = report.filled(text)
    assert filled.startswith("before\n<!-- bench: edits -->\n")
    assert filled.endswith("<!-- end of bench -->\nafter <!-- end of bench -->\n")
    assert "old" not in filled
    assert report.edits() in filled


def test_filling_twice_changes_nothing() -> None:
    filled = report.filled("<!-- bench: scale -->\n<!-- end of bench -->")
    assert report.filled(filled) == filled
