"""`make fuzz`: a million executions over all targets, two at a time, with their progress. See `targets`.

    python -m tests.fuzz [--runs N] [--jobs N] [TARGET ...]

Every target runs in a process of its own. On a finding the input is saved below `.cache/fuzz/findings/`, the exit
status is 1, and the way to repeat it is printed. Inputs that reached new code are kept in `.cache/fuzz/corpus/` for
the next run; seeds and kept inputs stand in the repository.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.targets import TARGETS, Target, kept

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "fuzz"
RUNS: Final = 1_000_000
MAX_BYTES: Final = 8192
"""Of an input."""
SECONDS: Final = 20
"""One execution that takes longer is a finding."""
MEBIBYTES: Final = 2048
"""A process that takes more is a finding."""
_PROGRESS: Final = re.compile(r"^#(\d+)\t\w+\s+cov: (\d+)")
_DONE: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


class Result(NamedTuple):
    """What became of one target."""

    name: str
    function: str
    executions: int
    coverage: int
    seconds: float
    found: tuple[Path, ...]
    log: str


def run(name: str, target: Target, runs: int, cache: Path) -> Result:
    """Fuzzes one target; prints a line now and then."""
    corpus, findings = cache / "corpus" / name, cache / "findings" / name
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    seeds = cache / "seeds" / name
    _write_seeds(name, target, seeds)
    command = [
        sys.executable, "-m", "tests.fuzz.harness", target.function, str(corpus), str(seeds), f"-runs={runs}",
        f"-max_len={MAX_BYTES}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEBIBYTES}", f"-artifact_prefix={findings}/",
        "-print_final_stats=1", "-len_control=0",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    started, executions, coverage, said = time.monotonic(), 0, 0, 0.0
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            del lines[:-200]
            if progress := _PROGRESS.match(line):
                executions, coverage = int(progress[1]), int(progress[2])
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    say(f"{name:<14}{executions:>9} executions, coverage {coverage}")
            elif done := _DONE.match(line):
                executions = int(done[1])
    new = tuple(sorted(set(findings.iterdir()) - before))
    log = "".join(lines)
    if process.returncode != 0 and not new:
        log += f"\nthe fuzzer ended with status {process.returncode} and saved nothing\n"
    failed = process.returncode != 0 or bool(new) or executions < runs
    return Result(name, target.function, executions, coverage, time.monotonic() - started, new, log if failed else "")


def _write_seeds(name: str, target: Target, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in (*target.load()[1](), *(path.read_bytes() for path in kept(name))):
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show(result: Result) -> None:
    """The result of one target, and of a finding all that it takes to repeat it."""
    speed = result.executions / max(result.seconds, 0.001)
    told = f"{result.name:<14}{result.executions:>9} executions in {result.seconds:.0f} s ({speed:.0f}/s)"
    say(f"{told}, coverage {result.coverage}: {'FINDING' if result.log else 'nothing found'}")
    if result.log:
        say(result.log)
    for path in result.found:
        say(f"  saved as {path}; again: python -m tests.fuzz.harness {result.function} {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the router's readers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without")
    parser.add_argument("--runs", type=int, default=RUNS, help="executions, all targets together")
    parser.add_argument("--jobs", type=int, default=2, help="targets at one time")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of findings and of what reached new code")
    chosen = parser.parse_args(arguments)
    names = chosen.targets or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    shares = sum(TARGETS[name].share for name in names)
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        parts = {name: -(-chosen.runs * TARGETS[name].share // shares) for name in names}
        futures = [pool.submit(run, name, TARGETS[name], part, chosen.cache) for name, part in parts.items()]
        results = []
        for future in concurrent.futures.as_completed(futures):
            results.append(future.result())
            show(results[-1])
    failed = sum(bool(result.log) for result in results)
    executions = sum(result.executions for result in results)
    say(f"{executions} executions, {failed} of {len(names)} targets with a finding")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
