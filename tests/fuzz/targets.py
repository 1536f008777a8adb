"""What is fuzzed: one table. Every function takes any bytes and raises when a promise of the router is broken."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

CORPUS: Final = Path(__file__).with_name("corpus")
"""Inputs that are kept: by target, one file each. What once broke something stays here."""


class Target(NamedTuple):
    """`check` and `seeds` are names in a module of this package: a fuzzer instruments modules as it imports them."""

    module: str
    check: str
    seeds: str
    share: int
    """Parts of a hundred of all executions."""

    @property
    def function(self) -> str:
        """`module.check`, as `harness` takes it."""
        return f"{self.module}.{self.check}"

    def load(self) -> tuple[Callable[[bytes], None], Callable[[], Iterator[bytes]]]:
        module = importlib.import_module(f"tests.fuzz.{self.module}")
        return getattr(module, self.check), getattr(module, self.seeds)


TARGETS: Final[dict[str, Target]] = {
    "streams": Target("streams", "streams", "stream_seeds", 25),
    "requests": Target("requests", "requests", "seeds", 25),
    "answers": Target("streams", "answers", "answer_seeds", 17),
    "provider_http": Target("provider_http", "provider_http", "seeds", 10),
    "headers": Target("refusals", "headers", "seeds", 10),
    "multipart": Target("requests", "multipart", "multipart_seeds", 10),
    "socket": Target("sockets", "socket", "seeds", 3),
}


def kept(name: str) -> list[Path]:
    """The files of a target's corpus."""
    return sorted(path for path in (CORPUS / name).glob("*") if path.is_file())
