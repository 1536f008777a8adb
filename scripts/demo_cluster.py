"""`make demo-cluster`: Tieline's main job through a real Kubernetes API server, in two or three minutes.

Control plane, charts, operator and two routers under the chart's service accounts, llama.cpp servers at their pods'
addresses, one scripted paid API. Every command is shown as a user would type it, with what it really printed. Exits 0
only if every promise held.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from tieline_cli.explain import print_decision

from bench.observing import Observer
from scripts.demo_parts import NAMESPACE, Stage, answer, conditions_and_events
from scripts.demonstration import (
    BOUGHT_TEXT,
    ask,
    ask_streaming,
    console_for_people,
    cost_table,
    cut_streams,
    end_like_interrupted,
    path_of,
    refusal,
    tally_table,
    undisturbed_end,
)
from scripts.terminal import CommandFailed, Terminal
from scripts.traffic import Background, Tally
from tests.support import netns
from tests.support.control_plane import ControlPlane
from tests.support.control_plane.build import CONTROL_PLANE, binaries
from tests.support.processes import ProcessDied
from tests.support.tools import Unavailable, helm_path, kubectl_path
from tests.support.waiting import wait_until

KEY = {"Authorization": "Bearer tl-demonstration-only"}
"""The key of the Consumer in examples/cluster."""
SOME = 12
"""Requests to be answered before, between and after accidents."""
TRAFFIC_SECONDS = 120

console = console_for_people()


class PromiseBroken(Exception):
    """What Tieline promises did not hold."""


def promise(held: bool, what: str) -> None:
    if not held:
        raise PromiseBroken(what)


def step(text: str) -> None:
    console.print(f"\n[bold cyan]▌ {text}[/]")


def note(text: str) -> None:
    console.print(f"[dim]{text}[/]")


# -- the play ----------------------------------------------------------------------------------------------------------


def install(stage: Stage, terminal: Terminal) -> None:
    step("Tieline, by its Helm charts")
    terminal.run("helm install tieline-crds charts/tieline-crds", excerpt=lambda lines: lines[:4])
    note("The two settings permit the paid API of this demonstration, which is plain http at a private address.")
    words = "helm install tieline charts/tieline --namespace tieline-system --create-namespace --wait"
    allowed = "--set operator.settings.allowInsecure=true,operator.settings.allowPrivate=true"
    terminal.run(f"{words} \\\n    {allowed}", excerpt=lambda lines: lines[:4])
    with terminal.busy("operator and routers start, each in its pod's place, with its service account's own token"):
        stage.installation.operators.sync()
        stage.installation.fleet.sync()
    terminal.run("kubectl get pods --namespace tieline-system")


def apply(stage: Stage, terminal: Terminal) -> None:
    step("Two model servers, a pool of them, a paid API, a route and somebody who may call")
    terminal.run("kubectl apply -f examples/cluster")
    with terminal.busy("two llama.cpp servers (135 M parameters) load their model, each at its pod's address"):
        stage.follow_models(2)
    terminal.run("kubectl wait modelroute/small --for=condition=Ready --timeout=30s")
    shown = terminal.run("kubectl get tieline -o wide")
    note("PROGRAMMED 2/2: both routers have acknowledged the route.")
    note("HEALTHY Unknown: a bought API has no pods to watch; routers judge it by their own requests.")
    row = next((line.split() for line in shown.splitlines() if line.startswith("modelroute")), [])
    promise("2/2" in row, "kubectl get tieline shows the route as programmed on 2/2 routers")


def questions(stage: Stage) -> None:
    step("A question to each of the two routers, plain and streaming")
    for api in stage.apis:
        answered = asyncio.run(ask(console, api, "What is the largest ocean on Earth?", headers=KEY))
        promise(answered is not None, "a router answers a plain request")
    for api in stage.apis:
        whole = asyncio.run(ask_streaming(console, api, "Count from one to five.", headers=KEY))
        promise(whole, "a router answers a stream to its end")
    step("The same without a key")
    for api in stage.apis:
        status, error = asyncio.run(refusal(api, "small", {}))
        console.print(f"[dim]POST {path_of(api)}[/]\n{status} {error.get('code')}: {error.get('message')}")
        promise(status == 401, "a request without a key gets 401")


def edit(stage: Stage, terminal: Terminal) -> None:
    step("An edit: the route gets a second name, and both routers serve it")
    for api in stage.apis:
        status, error = asyncio.run(refusal(api, "tiny", KEY))
        console.print(f"[dim]POST {path_of(api)}[/]\n{status} {error.get('code')}: {error.get('message')}")
        promise(status == 404, "a model that no route names gets 404")
    command = """kubectl patch modelroute small --type=merge --patch='{"spec": {"models": ["small", "tiny"]}}'"""
    with Observer(stage.plane, stage.routers, NAMESPACE, "small") as observer:
        times = observer.follow(
            lambda: terminal.run(command), lambda config: "tiny" in json.dumps(config.get("routes")), TRAFFIC_SECONDS
        )
    console.print(
        f"{times.live - times.answered:.2f} s after the API server had answered kubectl both routers served it; after "
        f"{times.acked - times.answered:.2f} s\nthe route's status said so (and {times.acked:.2f} s after kubectl was "
        "started)."
    )
    for api in stage.apis:
        named = asyncio.run(ask(console, api, "Name three primary colors.", headers=KEY, model="tiny"))
        promise(named is not None, "a router serves the new name")


def kill_model_server(stage: Stage, terminal: Terminal) -> Tally:
    step("A model server is killed in mid-traffic (half of the requests are streams), and its pod is replaced")
    failed = stage.failed_attempts()
    with Background(stage.apis, KEY) as background:
        more(terminal, background, "requests flow to both routers")
        victim = wait_until(stage.busiest_model, "a model server with requests under way")
        victim.kill()
        console.print(f"kill -9: {victim.name} at {victim.address}, with requests under way")
        more(terminal, background, "requests go on")
        terminal.run(f"kubectl delete pod {victim.name}")
        with terminal.busy("the Deployment makes another pod, a llama.cpp server starts at its address"):
            stage.follow_models(2)
        console.print(f"both routers now use {' and '.join(sorted(p.address for p in stage.models.processes))}")
        more(terminal, background, "requests go on")
    failed = stage.failed_attempts() - failed
    console.print(f"{failed} attempts at the killed server failed; what had not begun was tried elsewhere")
    promise(failed > 0, "the killed server had requests under way")
    return judged(background.tally)


def kill_operator(stage: Stage, terminal: Terminal) -> Tally:
    step("The operator is killed while requests flow, and comes back")
    operator = stage.installation.operator
    with (
        Background(stage.apis, KEY) as background,
        Observer(stage.plane, stage.routers, NAMESPACE, "small") as observer,
    ):
        more(terminal, background, "requests flow")
        before = [stage.revision(admin)["epoch"] for admin in stage.admins]
        operator.kill()
        answered = background.tally.answered
        console.print(f"kill -9: {operator.name}")
        more(terminal, background, "requests go on without an operator")
        console.print(f"{background.tally.answered - answered} requests were answered while there was none")
        started = time.monotonic()
        operator.start(ready=False)
        command = """kubectl patch modelroute small --type=merge --patch='{"spec": {"models": ["small"]}}'"""
        times = observer.follow(
            lambda: terminal.run(command),
            lambda config: "tiny" not in json.dumps(config.get("routes")),
            TRAFFIC_SECONDS,
        )
        seconds = times.started + times.acked - started
        console.print(f"started again; an edit was acknowledged by both routers {seconds:.1f} s after that")
        after = [stage.revision(admin)["epoch"] for admin in stage.admins]
        console.print(f"epoch of the routers' configuration: {before[0]} before, {after[0]} now: it never goes back")
        promise(all(new > old for new, old in zip(after, before, strict=True)), "a restarted operator is newer")
    return judged(background.tally)


def scale_to_none(stage: Stage, terminal: Terminal) -> None:
    step("No model server of our own is left: the paid API answers, at its price")
    terminal.run("kubectl scale deployment smollm2 --replicas=0")
    stage.follow_models(0)
    for api in stage.apis:
        answered = asyncio.run(ask(console, api, "What is the largest ocean on Earth?", headers=KEY))
        said = answered["choices"][0]["message"]["content"] if answered else ""
        promise(said == BOUGHT_TEXT, "the paid API answers when the own servers are away")


def explain(stage: Stage) -> None:
    query = "model=small&consumer=default/team-search"
    step(f"Why this provider? A router's own account: GET /admin/explain?{query}")
    print_decision(console, answer(f"{stage.admins[0]}/admin/explain?{query}"))


def describe(stage: Stage, terminal: Terminal) -> None:
    step("What Kubernetes says of it")
    terminal.run("kubectl get providerpools")
    terminal.run("kubectl describe modelroute small", excerpt=conditions_and_events)
    step("What it cost, over both routers")
    console.print(cost_table(*stage.admins))


def delete(stage: Stage, terminal: Terminal) -> None:
    step("Deleted is gone: route and key are unknown to both routers")
    terminal.run("kubectl delete -f examples/cluster")
    for api in stage.apis:
        wait_until(lambda api=api: asyncio.run(refusal(api, "small", KEY))[0] == 401, f"{api} to refuse the key")  # type: ignore[misc]
        console.print(f"{api}: 401 for the key that was good until now")


# -- what the play needs -----------------------------------------------------------------------------------------------


def more(terminal: Terminal, background: Background, what: str) -> None:
    """Waits until `SOME` more requests were answered."""
    goal = background.tally.answered + SOME
    with terminal.busy(what):
        wait_until(lambda: background.tally.answered >= goal or background.error, "requests to be answered", 120)


def judged(tally: Tally) -> Tally:
    console.print(tally_table(tally))
    promise(tally.lost == 0, "no plain request and no stream that had not begun is lost")
    return tally


def play(folder: Path) -> None:
    step("A Kubernetes control plane: etcd, API server, controllers and scheduler, real; nodes played by kwok")
    note(
        "There are no containers here: each pod's program runs as a process at the pod's address, in a network\n"
        "namespace of its own, and nothing leaves this machine. Your own clusters are neither read nor touched."
    )
    started = time.monotonic()
    plane = ControlPlane(folder / "control-plane")
    terminal = Terminal(console, folder, folder / "control-plane" / "admin.kubeconfig")
    with contextlib.ExitStack() as parts, undisturbed_end():
        with terminal.busy(f"Kubernetes {CONTROL_PLANE.version} starts"):
            parts.enter_context(plane)
        console.print(f"Kubernetes {CONTROL_PLANE.version} is ready after {time.monotonic() - started:.1f} s")
        terminal.run("kubectl get nodes")
        stage = Stage(folder, plane, terminal)
        parts.enter_context(stage.running())
        try:
            perform(stage, terminal)
        except (CommandFailed, ProcessDied, PromiseBroken, TimeoutError):
            console.print(stage.logs(), markup=False)
            raise


def perform(stage: Stage, terminal: Terminal) -> None:
    started = time.monotonic()
    install(stage, terminal)
    apply(stage, terminal)
    questions(stage)
    edit(stage, terminal)
    tallies = [kill_model_server(stage, terminal), kill_operator(stage, terminal)]
    explain(stage)
    scale_to_none(stage, terminal)
    describe(stage, terminal)
    delete(stage, terminal)
    answered, cut = sum(tally.answered for tally in tallies), sum(tally.stream_cut for tally in tallies)
    console.print(f"\n[bold green]OK[/]: {answered} requests in traffic answered, none lost{cut_streams(cut)}.")
    seconds = time.monotonic() - started
    note(f"{seconds:.0f} s. All that was started ends now; only the built control plane stays, in its cache.")


def main() -> int:
    """Runs the demonstration; the exit status says whether every promise held."""
    end_like_interrupted()
    try:
        kubectl_path()
        helm_path()
        binaries()  # needs the network when it builds, so before the namespace
        netns.enter(anew=True)
        with tempfile.TemporaryDirectory(prefix="tieline-demo-cluster-") as folder:
            play(Path(folder))
    except Unavailable as missing:
        console.print(f"make demo-cluster: {missing.reason.strip()}\nWhat to do: {missing.remedy}.", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted. Everything that was started has ended.")
        return 130
    except (CommandFailed, ProcessDied, PromiseBroken, TimeoutError) as error:
        console.print(f"\n[bold red]FAILED[/]: {type(error).__name__}: ", end="")
        console.print(str(error), markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
