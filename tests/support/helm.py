"""The real Helm as a callable: arguments in, standard output back, standard error as an exception."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tests.support.tools import helm_path


class HelmError(Exception):
    """Helm ended with another code than 0; `stderr` is what it said, and what users would read."""

    def __init__(self, words: tuple[str, ...], code: int, stderr: str) -> None:
        super().__init__(f"helm {' '.join(words)} ended with code {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr


class Helm:
    """Helm with one kubeconfig; without one it renders and lints, which need no cluster."""

    def __init__(self, kubeconfig: Path | None = None, timeout: float = 120) -> None:
        self._kubeconfig = kubeconfig
        self._timeout = timeout
        self._program = helm_path()

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Standard output; `HelmError` when it fails, `subprocess.TimeoutExpired` when it hangs.

        Repositories, plugins and registry logins of the user are out of reach: Helm's folders are empty ones.
        """
        with tempfile.TemporaryDirectory(prefix="helm-") as home:
            folders = {f"HELM_{kind}_HOME": f"{home}/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")}
            inherited = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
            done = subprocess.run(
                [self._program, *words],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=self._timeout,
                env=inherited | folders | ({"KUBECONFIG": str(self._kubeconfig)} if self._kubeconfig else {}),
                check=False,
            )
        if done.returncode:
            raise HelmError(words, done.returncode, done.stderr)
        return done.stdout
