import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_cli.manifests import MAX_DEPTH, Manifest, ManifestError, Place, read_manifests, scalar

PLAIN: dict[str, Any] = {
    "NO": False,
    "y": True,
    "on": True,
    "~": None,
    "010": 8,
    "0o17": 15,
    "0x1F": 31,
    "-0b11": -3,
    "1_000": 1000,
    "+12": 12,
    "16:30": "16:30",
    "2026-01-01": "2026-01-01",
    "2026-01-01T00:00:00Z": "2026-01-01T00:00:00Z",
    "1e3": 1000,
    "1.": 1,
    ".5": 0.5,
    "0.28": 0.28,
    "08": 8,
    "0o8": "0o8",
    "_1": "_1",
    "1_": 1,
    "fp8": "fp8",
    "1.2.3": "1.2.3",
    "90s": "90s",
}
"""What a real kubectl made of each (tests/cluster/test_kubectl_yaml.py asks it again)."""


def only(text: str) -> Manifest:
    manifests = list(read_manifests(text))
    assert len(manifests) == 1
    return manifests[0]


@pytest.mark.parametrize(("text", "value"), PLAIN.items())
def test_plain_scalars_mean_what_kubectl_reads(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_not_a_number_and_infinity_have_names() -> None:
    value = scalar(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)
    assert scalar("-.inf") == -math.inf


@pytest.mark.parametrize("quoted", ['"NO"', "'010'", "!!str 12", "|-\n  NO"])
def test_quoted_and_tagged_scalars_stay_strings(quoted: str) -> None:
    assert isinstance(only(f"a: {quoted}").object["a"], str)


def test_keys_take_their_json_form() -> None:
    assert only("yes: 1\n1: 2\n1.5: 3\nn: 4\n~: 5").object == {"true": 1, "1": 2, "1.5": 3, "false": 4, "null": 5}


def test_merge_keys_give_way_to_the_keys_beside_them() -> None:
    text = "base: &b {x: 1, z: {deep: 1}}\nother: &o {x: 9, w: 2}\nc: {<<: [*b, *o], z: 3}"
    assert only(text).object["c"] == {"x": 1, "w": 2, "z": 3}


def test_every_value_knows_its_line_and_what_was_written() -> None:
    manifest = only("\nkind: A\nspec:\n  deny: [US, NO]\n  quoted: 'NO'\n")
    assert manifest.place_of(("spec", "deny", 1)) == Place(4, "NO")
    assert manifest.place_of(("spec", "quoted")) == Place(5, None)
    assert manifest.line_of(("spec", "absent", "field")) == 3
    assert manifest.line == 2


def test_documents_without_content_are_passed_over_and_lists_taken_apart() -> None:
    text = "---\n# nothing\n---\nkind: List\nitems:\n- kind: A\n- kind: B\n---\nkind: C\n"
    manifests = list(read_manifests(text))
    assert [(m.object["kind"], m.line, m.line_of(("kind",))) for m in manifests] == [
        ("A", 6, 6),
        ("B", 7, 7),
        ("C", 9, 9),
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: [", 1, "not YAML"),
        ("a: 1\nb:\n\t- x", 3, "not YAML"),
        ("a: 1\nb: 2\na: 3", 3, "stands twice"),
        ("- 1", 1, "a manifest is a mapping"),
        ("a: &a [*a]", 1, "nested deeper"),
        ("a: !!binary aGk=", 1, "not a JSON value"),
        ("? [1]\n: 2", 1, "must be a plain word"),
        ("kind: List\nitems: [1]", 1, "not an object"),
        ("a: {<<: 1}", 1, "<< takes"),
        ("a: " + "[" * 3000, 1, "nested deeper"),
        ("a: " + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), 1, "nested deeper"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ManifestError, match=says) as caught:
        list(read_manifests(text))
    assert caught.value.line == line


def test_json_may_be_indented_by_tabs() -> None:
    assert only('{\n\t"kind": "A",\n\t"spec": {"x": [1]}\n}').object == {"kind": "A", "spec": {"x": [1]}}


def test_aliases_cannot_blow_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieline_cli.manifests.MAX_NODES", 1000)
    lines = ["a0: &a0 [1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 4)}]" for n in range(1, 9)]
    with pytest.raises(ManifestError, match="aliases"):
        list(read_manifests("\n".join(lines)))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    found: list[Manifest] = []
    with contextlib.suppress(ManifestError):
        found += read_manifests(text)
    assert all(manifest.line >= 1 for manifest in found)
