"""`make demo`: Tieline's main job on real parts, without a cluster, in a minute or two.

Starts two llama.cpp servers and one scripted paid API, serves examples/quickstart with `tieline dev`, asks real
questions, kills a server in mid-traffic and counts what its clients saw. Exits 0 only if every promise held: no plain
request and no stream that had not begun was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tieline_cli.explain import print_decision

from scripts.demonstration import (
    ask,
    ask_streaming,
    console_for_people,
    cost_table,
    cut_streams,
    dev_server,
    end_like_interrupted,
    paid_api,
    tally_table,
    undisturbed_end,
)
from scripts.traffic import Accident, Tally, traffic
from tests.support.llama_server import llama_server
from tests.support.processes import ProcessDied, free_ports

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "examples" / "quickstart"
PORTS = (9101, 9102, 9103)
"""As the manifests of the quickstart say: two servers of our own, one API that we buy from."""
REQUESTS = 48
KILL_AFTER = 12

console = console_for_people()


def step(text: str) -> None:
    console.print(f"\n[bold cyan]▌ {text}[/]")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def manifests(folder: Path) -> tuple[Path, tuple[int, ...]]:
    """The quickstart as it stands, or a copy with other ports where one of its own is taken."""
    if all(is_free(port) for port in PORTS):
        return QUICKSTART, PORTS
    others = tuple(free_ports(len(PORTS)))
    copy = folder / "quickstart"
    shutil.copytree(QUICKSTART, copy)
    for path in copy.glob("*.yaml"):
        text = path.read_text()
        for port, other in zip(PORTS, others, strict=True):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{other}")
        path.write_text(text)
    console.print(f"Ports {PORTS} are in use here, so this run serves a copy with {others}.")
    return copy, others


def mid_traffic(api: str, accident: Accident) -> Tally:
    """Sends the requests, shows how far they are, and lets the accident happen meanwhile."""
    tally = Tally()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if not console.is_terminal:
        console.print("This takes half a minute on two cores …")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("requests", total=REQUESTS)
        asyncio.run(
            traffic([api], range(REQUESTS), tally, begun=accident, done=functools.partial(progress.advance, task))
        )
    return tally


def play() -> int:
    folder_of_its_own = tempfile.TemporaryDirectory(prefix="tieline-demo-")
    with folder_of_its_own as name, contextlib.ExitStack() as parts, undisturbed_end():
        folder = Path(name)
        serving, ports = manifests(folder)
        step("Two real llama.cpp servers (135 M parameters) and one scripted paid API")
        first = parts.enter_context(llama_server(folder, name="llama-a", port=ports[0]))
        second = parts.enter_context(llama_server(folder, name="llama-b", port=ports[1]))
        parts.enter_context(paid_api(folder, ports[2]))
        console.print(f"llama-a {first.url}   llama-b {second.url}   paid API http://127.0.0.1:{ports[2]}")

        step(f"tieline dev {serving.relative_to(ROOT) if serving.is_relative_to(ROOT) else serving}")
        server = parts.enter_context(dev_server(serving, QUICKSTART / "quickstart.env", folder))
        console.print(server.banner)

        step("A question, plain")
        plain = asyncio.run(ask(console, server.api, "What is the largest ocean on Earth?"))
        step("A question, streaming")
        whole = asyncio.run(ask_streaming(console, server.api, "Count from one to five."))

        step(f"{REQUESTS} requests, half of them streams; llama-a is killed in the middle of a stream")
        accident = Accident("Our llama.cpp server A", KILL_AFTER, first.kill)
        tally = mid_traffic(server.api, accident)
        console.print(tally_table(tally))

        step("The second server goes as well: the paid API answers, at its price")
        second.kill()
        bought = asyncio.run(ask(console, server.api, "What is the largest ocean on Earth?"))

        step("How would the next request be decided? The router's own account: GET /admin/explain?model=small")
        print_decision(console, server.explain("small"))
        step("What it cost")
        console.print(cost_table(server.admin))
        return verdict(tally, accident, plain is not None and whole, bought is not None)


def verdict(tally: Tally, accident: Accident, answered: bool, bought: bool) -> int:
    """Says in one line whether the promises held."""
    if not answered:
        console.print("\n[bold red]FAILED[/]: the first two questions were not both answered.")
        return 1
    if tally.lost or not bought:
        console.print(f"\n[bold red]FAILED[/]: {tally.lost + (not bought)} requests were lost in spite of failover.")
        return 1
    if not accident.happened:
        console.print("\n[bold red]FAILED[/]: no stream began on llama-a, so it was never killed.")
        return 1
    console.print(f"\n[bold green]OK[/]: {tally.answered} answered, none lost{cut_streams(tally.stream_cut)}.")
    console.print("Next: [bold]make demo-cluster[/] for the same through Kubernetes, or make demo-servers and:")
    console.print("[bold].venv/bin/tieline dev examples/quickstart --env-file examples/quickstart/quickstart.env[/]")
    return 0


def main() -> int:
    """Runs the demonstration; the exit status says whether every promise held."""
    end_like_interrupted()
    try:
        return play()
    except KeyboardInterrupt:
        console.print("\nInterrupted. Everything that was started has ended.")
        return 130
    except (ProcessDied, TimeoutError) as error:
        console.print(f"\n[bold red]FAILED[/]: {type(error).__name__}: ", end="")
        console.print(str(error), markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
