"""The real kubectl as a callable: arguments in, standard output back, standard error as an exception."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.tools import kubectl_path


class KubectlError(Exception):
    """kubectl ended with another code than 0; `stderr` is what it said, and what users would read."""

    def __init__(self, words: tuple[str, ...], code: int, stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(words)} ended with code {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr


class Kubectl:
    """kubectl with one kubeconfig; `namespace` is for what names none (as a flag it would refuse other ones)."""

    def __init__(self, kubeconfig: Path, namespace: str | None = None, timeout: float = 60) -> None:
        self.kubeconfig = _with_namespace(kubeconfig, namespace) if namespace else kubeconfig
        self._timeout = timeout
        self._program = kubectl_path()

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Standard output; `KubectlError` when it fails, `subprocess.TimeoutExpired` when it hangs."""
        done = subprocess.run(
            [self._program, f"--kubeconfig={self.kubeconfig}", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=self._timeout,
            env={**os.environ, "KUBECACHEDIR": str(self.kubeconfig.parent / "kubectl-cache")},
            check=False,
        )
        if done.returncode:
            raise KubectlError(words, done.returncode, done.stderr)
        return done.stdout

    def in_namespace(self, namespace: str) -> Kubectl:
        """The same with another default namespace."""
        return Kubectl(self.kubeconfig, namespace, self._timeout)

    def apply(self, *manifests: str | dict[str, Any]) -> str:
        """`kubectl apply -f -` of YAML texts and objects together."""
        texts = [manifest if isinstance(manifest, str) else json.dumps(manifest) for manifest in manifests]
        return self("apply", "-f", "-", stdin="\n---\n".join(texts))

    def json(self, *words: str) -> Any:
        """Decoded output of a command that takes `-o json`."""
        return json.loads(self(*words, "-o", "json"))


def _with_namespace(kubeconfig: Path, namespace: str) -> Path:
    """A copy whose only context has another namespace; the control plane writes kubeconfigs as JSON."""
    config = json.loads(kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    path = kubeconfig.with_name(f"{kubeconfig.stem}-in-{namespace}.kubeconfig")
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path
