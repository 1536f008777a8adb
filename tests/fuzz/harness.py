"""Runs one target under atheris in this process, which libFuzzer ends.

    python -m tests.fuzz.harness MODULE.FUNCTION [FILE ...] [FLAGS OF LIBFUZZER]

Started by `__main__` to fuzz; by hand, with a file, to repeat a finding. The router's packages are instrumented as they
are imported, so that an input which reaches new code is kept and mutated further.
"""

from __future__ import annotations

import importlib
import sys

import atheris

from tests.fuzz.mutation import mutate


def main() -> None:
    name, *flags = sys.argv[1:]
    module, _, function = name.partition(".")
    with atheris.instrument_imports(include=["tieline_router"]):
        check = getattr(importlib.import_module(f"tests.fuzz.{module}"), function)

    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        changed = mutate(data, seed) if seed % 2 else None
        if changed is None or len(changed) > max_size:
            return bytes(atheris.Mutate(data, max_size))
        return changed

    atheris.Setup([name, *flags], check, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
