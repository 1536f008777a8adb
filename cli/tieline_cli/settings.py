"""Every command of `tieline` and its options: one settings model a command. Read by `__main__` alone."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import CliPositionalArg
from tieline_api.commandline import CommandLine
from tieline_api.names import DEFAULT_ROUTER_CLASS


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can connect to a listener at `host`; other names than localhost are not
    looked up, and count as reachable."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class FolderCommand(CommandLine):
    """What every command that reads a folder of manifests has."""

    folder: CliPositionalArg[Path]
    """Folder with manifests (*.yaml, *.yml, *.json, also in folders below), or one file."""
    env_file: Path | None = None
    """File of NAME=value lines for the ${NAME} of Secrets; the environment wins over it."""
    router_class: str = Field(default=DEFAULT_ROUTER_CLASS, min_length=1, max_length=63)
    """Routes of which spec.routerClass are meant."""
    output: Literal["text", "json"] = "text"
    """Readable text, or JSON for programs."""

    @model_validator(mode="after")
    def _files_exist(self) -> FolderCommand:
        if not self.folder.exists():
            raise ValueError(f"{self.folder}: no such file or folder")
        if self.env_file is not None and not self.env_file.is_file():
            raise ValueError(f"--env-file (TIELINE_ENV_FILE): {self.env_file}: no such file")
        return self


class LintSettings(FolderCommand):
    """Print every problem of the manifests with file, line, field and remedy; exit 1 if there is an error."""


class ExplainSettings(FolderCommand):
    """Print how a request would be decided: candidates, prices, what each rule removed, the attempts in order."""

    model: str = Field(min_length=1, max_length=256)
    """Model name as a client would send it."""
    api: Literal["ChatCompletions", "Completions", "Responses", "Messages", "Embeddings"] = "ChatCompletions"
    """Which API the client calls."""
    namespace: str = Field(default="default", min_length=1, max_length=63)
    """Namespace whose routes answer, when no --consumer is given."""
    consumer: str | None = None
    """Decide for this Consumer (namespace/name, or a name in --namespace)."""
    prompt_tokens: int = Field(default=1000, ge=0, le=100_000_000)
    """Estimated tokens of the prompt."""
    max_tokens: int | None = Field(default=None, ge=1, le=100_000_000)
    """max_tokens of the request; without it 256 completion tokens are priced."""
    stream: bool = False
    """Decide for a streaming request."""
    tools: bool = False
    """Decide for a request that uses tools."""
    seed: int = 0
    """Seed of the draw, so that the same command gives the same answer."""


class DevSettings(FolderCommand):
    """Serve a folder of manifests without a cluster, and follow its changes."""

    host: str = "127.0.0.1"
    """Address to listen on. Beyond loopback every caller needs a Consumer's key."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port of the API; 0 takes a free one."""
    admin_port: int = Field(default=8081, ge=0, le=65535)
    """Port of metrics and the admin API, always on loopback; 0 takes a free one."""
    auth: Literal["Required", "Optional"] | None = None
    """Whether callers need a key. Default: Optional on loopback, Required beyond."""
    anonymous_namespace: str = Field(default="default", min_length=1, max_length=63)
    """Namespace whose routes callers without a key use."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""

    @model_validator(mode="after")
    def _keys_beyond_loopback(self) -> DevSettings:
        if self.auth == "Optional" and not self.on_loopback:
            raise ValueError(
                f"--host {self.host} can be reached from outside, where --auth Optional would serve anybody: "
                "leave --auth out, or listen on 127.0.0.1"
            )
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only programs of this machine can connect."""
        return is_loopback(self.host)

    @property
    def effective_auth(self) -> Literal["Required", "Optional"]:
        return self.auth or ("Optional" if self.on_loopback else "Required")
