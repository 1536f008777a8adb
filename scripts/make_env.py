"""Makes `.venv` with everything pinned and the project editable in it. Called by `make env` with the user's own Python.

Standard library only, and written so that an older Python gets as far as the message that it is too old.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

MINIMUM = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements" / "dev.txt"
TAIL = 15


def fail(message: str) -> None:
    sys.exit("make env: " + message)


def check_interpreter() -> None:
    if sys.version_info < MINIMUM:
        fail(
            "{} is Python {}.{}; Tieline needs {}.{} or newer. Name another one: make env PYTHON=python3.12".format(
                sys.executable, *sys.version_info[:2], *MINIMUM
            )
        )
    try:
        import ensurepip
        import venv  # noqa: F401  # looked for, not used: Debian packs both apart from Python
    except ImportError:
        fail(f"{sys.executable} has no venv module. On Debian and Ubuntu: apt-get install python3-venv")
    else:
        del ensurepip


def usable(python: Path) -> bool:
    """Is there an interpreter of this version (not one whose base was removed or upgraded)?"""
    if not python.exists():
        return False
    probe = [str(python), "-c", "import pip, sys; print(sys.version_info[:2])"]
    answer = subprocess.run(probe, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == str(sys.version_info[:2])


def pinned() -> int:
    return sum(1 for line in REQUIREMENTS.read_text().splitlines() if line[:1].isalnum())


def pip(python: Path, what: str, *arguments: str) -> None:
    """Runs pip, shows a counter instead of its log, and the log's end when it fails."""
    total, seen, log = pinned(), 0, VENV / "pip.log"
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off", *arguments]
    print(what, flush=True)
    with log.open("w") as record:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in process.stdout or ():
            record.write(line)
            if line.startswith("Collecting "):
                seen += 1
                show(f"  {seen} of {total}: {line.split()[1]}", last=False, step=seen)
            elif seen and line.startswith("Installing collected packages"):
                show(f"  {seen} fetched, unpacking them", last=True, step=seen)
    if process.wait() != 0:
        print(*log.read_text().splitlines()[-TAIL:], sep="\n", file=sys.stderr)
        fail(f"pip failed ({what}); its whole log: {log}")


def show(text: str, *, last: bool, step: int) -> None:
    if sys.stdout.isatty():
        print("\r\033[K" + text, end="\n" if last else "", flush=True)
    elif last or step % 25 == 0:
        print(text, flush=True)


def main() -> None:
    check_interpreter()
    started, python = time.monotonic(), VENV / "bin" / "python"
    if not usable(python):
        print(f"creating .venv with {sys.executable}", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    # --no-compile: Python compiles what is used when it is used; all at once would take twenty seconds more.
    pinned_only = ("--no-compile", "--no-deps", "--require-hashes", "--requirement", str(REQUIREMENTS))
    pip(python, "installing the pinned packages", *pinned_only)
    pip(python, "installing Tieline itself", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    (VENV / "stamp").touch()
    print(f".venv is ready ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
