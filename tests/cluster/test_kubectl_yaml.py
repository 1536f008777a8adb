"""The reader of manifests against a real kubectl: the same text, the same JSON."""

import json
from collections.abc import Callable
from pathlib import Path

from tieline_cli.manifests import read_manifests

from tests.tieline_cli.test_manifests import PLAIN


def test_kubectl_reads_every_scalar_as_we_do(kubectl: Callable[..., str], tmp_path: Path) -> None:
    values = [f"  v{index}: {text}" for index, text in enumerate(PLAIN)]
    keys = ["  yes: 1", "  1: 2", "  1.5: 3", "  n: 4", "  base: &b {x: 1, y: 2}", "  merged: {<<: *b, x: 3}"]
    head = ["apiVersion: v1", "kind: ConfigMap", "metadata: {name: scalars, namespace: default}", "data:"]
    manifest = tmp_path / "scalars.yaml"
    manifest.write_text("\n".join([*head, *values, *keys]))
    theirs = json.loads(kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", str(manifest)))
    [ours] = read_manifests(manifest.read_text())
    assert ours.object["data"] == theirs["data"]
