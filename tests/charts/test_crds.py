"""The chart of the CRDs installs what `make crds` wrote, and nothing else."""

from __future__ import annotations

import yaml

from tests.charts.conftest import CHARTS, Render

CRDS = CHARTS.parent / "crds"
FILES = CHARTS / "tieline-crds" / "files"


def test_the_chart_carries_the_generated_files() -> None:
    generated = {path.name: path.read_text() for path in CRDS.glob("*.yaml")}
    assert {path.name: path.read_text() for path in FILES.iterdir()} == generated, "run `make crds`"
    assert len(generated) == 3


def test_helm_changes_nothing_but_labels_and_annotations(render: Render) -> None:
    rendered = {one["metadata"]["name"]: one for one in render(chart="tieline-crds")}
    for path in CRDS.glob("*.yaml"):
        written = yaml.safe_load(path.read_text())
        one = rendered.pop(written["metadata"]["name"])
        assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        for extra in ("labels", "annotations"):
            one["metadata"].pop(extra)
            written["metadata"].pop(extra, None)
        assert one == written
    assert not rendered


def test_values_of_the_chart(render: Render) -> None:
    values = {"keep": False, "labels": {"team": "platform"}, "annotations": {"example.org/owner": "platform"}}
    for one in render(values, chart="tieline-crds"):
        assert one["metadata"]["annotations"] == {"example.org/owner": "platform"}
        assert one["metadata"]["labels"]["team"] == "platform"
