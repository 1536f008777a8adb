"""The real model server of the tests answers, can be killed, comes back on its port and does not outlive its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.llama_server import MODEL, ROOT, llama_server
from tests.support.processes import ProcessDied
from tests.support.waiting import wait_until

ASKED = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8, "temperature": 0}


def post(url: str, body: object) -> bytes:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def test_it_answers_as_openai_does_and_counts_tokens(tmp_path: Path) -> None:
    with llama_server(tmp_path, model="smol") as server:
        assert server.url == f"http://{server.address}"
        answer = json.loads(post(f"{server.url}/v1/chat/completions", ASKED))
        assert answer["choices"][0]["message"]["content"]
        assert 0 < answer["usage"]["completion_tokens"] <= 8
        stream = post(f"{server.url}/v1/chat/completions", {**ASKED, "stream": True})
        assert stream.endswith(b"data: [DONE]\n\n")
        with urllib.request.urlopen(f"{server.url}/v1/models", timeout=5) as models:
            assert json.loads(models.read())["data"][0]["id"] == "smol"
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as metrics:
            assert b"llamacpp:prompt_tokens_total" in metrics.read()


def test_killed_it_is_gone_and_another_takes_its_port(tmp_path: Path) -> None:
    with llama_server(tmp_path, name="first") as first:
        port = int(first.address.rpartition(":")[2])
        first.kill()
        assert not first.healthy
        assert first.process.returncode == -signal.SIGKILL
        with llama_server(tmp_path, name="second", port=port) as second:
            assert second.healthy
            assert second.pid != first.pid
    assert second.process.returncode == 0


def test_one_that_cannot_listen_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ProcessDied, match=r"(?s)llama ended with code .*bind"),
        llama_server(tmp_path, host="192.0.2.1"),
    ):
        pass


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\nfrom tests.support.llama_server import llama_server\n"
        "with llama_server(pathlib.Path(sys.argv[1])) as server:\n"
        "    print(server.pid, flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not _runs(pid), "the orphan to end", seconds=10)


def _runs(pid: int) -> bool:
    """False also for a zombie that nobody has waited for: init need not reap at once."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
