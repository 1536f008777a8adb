"""Runs commands exactly as a user would type them, and shows each with its real output. For the demonstrations.

kubectl and Helm are those that the tests use, found through a PATH of its own; kubeconfig, caches and home are folders
of the demonstration, so nothing of the user's is read or written.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.support.tools import helm_path, kubectl_path

ROOT = Path(__file__).parents[1]
TIMEOUT = 120
"""Seconds that a command may take."""


class CommandFailed(Exception):
    """A command ended with another status than 0; what it said has been shown."""


class Terminal:
    """`folder` takes caches and links; `kubeconfig` is the cluster that the commands talk to."""

    def __init__(self, console: Console, folder: Path, kubeconfig: Path) -> None:
        self.console = console
        programs, home = folder / "bin", folder / "home"
        for made in (programs, home):
            made.mkdir(parents=True)
        for name, path in (("kubectl", kubectl_path()), ("helm", helm_path())):
            (programs / name).symlink_to(path)
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "HELM_"))}
        self._environment |= {
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
        }

    def run(self, line: str, *, excerpt: Callable[[list[str]], list[str]] | None = None) -> str:
        """Shows the line and what it printed (of which `excerpt` may choose lines); the whole output. As in a shell, a
        line may go on after a backslash.

        Raises:
            CommandFailed: it ended with another status than 0.
        """
        self.console.print(Text(f"$ {line}", style="bold"))
        done = subprocess.run(
            shlex.split(line.replace("\\\n", " ")),
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        lines = done.stdout.rstrip().splitlines()
        chosen = excerpt(lines) if excerpt is not None and done.returncode == 0 else lines
        for text in chosen:
            self.console.print(self._fitting(text), markup=False)
        if done.returncode:
            raise CommandFailed(f"`{line}` ended with status {done.returncode}")
        return done.stdout

    def _fitting(self, text: str) -> str:
        """kubectl's tables are as wide as their content; a terminal that is narrower would break them in the middle."""
        text = text.rstrip()
        width = self.console.width
        return f"{text[: width - 1]}…" if self.console.is_terminal and len(text) > width else text

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Says what is being waited for, on a terminal only as long as that lasts."""
        if self.console.is_terminal:
            with self.console.status(f"{what} …"):
                yield
        else:
            self.console.print(f"{what} …")
            yield
