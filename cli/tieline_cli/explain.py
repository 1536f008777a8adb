"""`tieline explain FOLDER --model M`: how a request would be decided, and why, without a router or a provider."""

from __future__ import annotations

import json
import random
import secrets
import time
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tieline_api.names import GATEWAY_SCOPE
from tieline_operator.compile import compile_scope
from tieline_router.apis import OPERATIONS
from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.decide import decide, explain_fallbacks
from tieline_router.routing.live import LiveTable
from tieline_router.routing.table import RoutingTable, compile_table
from tieline_router.routing.view import RequestView, needed_parameters

from tieline_cli.folder import read_folder
from tieline_cli.judge import judge
from tieline_cli.lint import variables
from tieline_cli.problems import print_problems
from tieline_cli.settings import ExplainSettings

DRAWS: Final = {
    "Balanced": "Balanced: drawn by 1/price² within a prio; share = how often first",
    "Weighted": "Weighted: drawn by weight within a prio; share = how often first",
}
PIPE_WIDTH: Final = 120
"""Columns of a table that nobody's terminal bounds."""


def explain(settings: ExplainSettings) -> int:
    """Prints the decision to standard output; 0 when somebody would answer, else 1."""
    folder = read_folder(settings.folder, variables(settings.env_file), placeholders=True)
    judgement = judge(folder, secrets.token_bytes(32))
    errors = Console(stderr=True, highlight=False)
    print_problems(errors, [problem for problem in judgement.problems if problem.severity == "error"])
    compiled = compile_scope(judgement.evaluation, GATEWAY_SCOPE, settings.router_class)
    table = compile_table(compiled.config)
    caller = _caller(settings, table)
    if caller is None:
        known = ", ".join(sorted({entry.key for entry in compiled.config.consumers})) or "none"
        said = f"tieline explain: no Consumer {settings.consumer} in {settings.folder} (there are: {known})"
        errors.print(said, soft_wrap=True)
        return 1
    now = time.time()
    live = LiveTable()
    live.apply_config(table)
    live.apply_endpoints(compiled.endpoints, now)
    live.apply_overlay(compiled.overlay)
    live.apply_secrets({name: value.version for name, value in compiled.secrets.items()})
    view = RequestView(
        model=settings.model,
        operation=next(operation for operation in OPERATIONS.values() if operation.api == settings.api),
        stream=settings.stream,
        prompt_tokens=settings.prompt_tokens,
        max_tokens=settings.max_tokens,
        parameters=needed_parameters(tools=settings.tools),
    )
    draw = random.Random(settings.seed).random  # noqa: S311 - a draw that can be repeated is the point
    decision = explain_fallbacks(decide(view, caller, table, live, now, draw), live, draw).to_json()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    if settings.output == "json":
        console.out(json.dumps(decision, indent=2, ensure_ascii=False), highlight=False)
    else:
        print_decision(console, decision)
    answered = decision["attempts"] or any(fallback["attempts"] for fallback in decision["fallbacks"])
    return 0 if answered else 1


def _caller(settings: ExplainSettings, table: RoutingTable) -> Caller | None:
    if settings.consumer is None:
        return Caller(settings.namespace)
    wanted = settings.consumer if "/" in settings.consumer else f"{settings.namespace}/{settings.consumer}"
    for consumer in table.config.consumers:
        if consumer.key == wanted:
            return Caller(consumer.namespace, consumer)
    return None


def print_decision(console: Console, decision: dict[str, Any]) -> None:
    """The JSON of a `Decision` for people."""
    who = f"consumer {decision['consumer']}" if decision["consumer"] else "an anonymous caller"
    route = f"route {decision['route']}" if decision["route"] else "no route"
    request = decision["request"]
    tokens = f"{request['promptTokens']} prompt + {request['pricedCompletionTokens']} completion tokens"
    head = f"[bold]{decision['model']}[/] for {who} in namespace {decision['namespace']}: {route}; {tokens}"
    console.print(head, soft_wrap=True)
    _print_shortlist(console, decision)
    for fallback in decision["fallbacks"]:
        console.print(f"\nthen, when {' or '.join(fallback['when'])}: [bold]{fallback['model']}[/]")
        _print_shortlist(console, fallback)


def _print_shortlist(console: Console, shortlist: dict[str, Any]) -> None:
    if shortlist["attempts"]:
        console.print(_attempts(shortlist))
    elif shortlist["refusal"]:
        remedy = ERRORS[ErrorClass(shortlist["refusal"])].remedy
        console.print(f"nobody can answer: [red]{shortlist['refusal']}[/]. {remedy}", soft_wrap=True)
    if shortlist["excluded"]:
        console.print("left out")
    for (pool, model), reasons in groupby(shortlist["excluded"], lambda each: (each["pool"], each["model"])):
        console.print(Text(f"  {pool}  {model}"), soft_wrap=True)
        for each in reasons:
            console.print(Text.assemble("    ", (each["code"], "yellow"), f"  {each['message']}"), soft_wrap=True)


def _attempts(shortlist: dict[str, Any]) -> Table:
    title = f"tried in this order ({DRAWS.get(shortlist['strategy'], shortlist['strategy'])})"
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("pool", no_wrap=True)
    table.add_column("upstream model", overflow="fold", min_width=14)
    for column in ("prio", "share", "$/M in", "$/M out", "$/M all", "$ request"):
        table.add_column(column, justify="right", no_wrap=True)
    money = ("promptPerMillion", "completionPerMillion", "blendedPerMillion", "estimatedCost")
    for attempt in shortlist["attempts"]:
        price = attempt["price"]
        upstream = attempt["upstreamName"]
        if attempt["translatedTo"]:
            upstream += f", translated to {attempt['translatedTo']}"
        cells = [attempt["place"], attempt["pool"], upstream, attempt["priority"]]
        share = attempt["firstShare"]
        table.add_row(*map(str, cells), f"{share:.0%}" if share else "–", *(_rounded(price[name]) for name in money))
    return table


def _rounded(amount: str | None) -> str:
    """Three significant digits are enough to compare by eye; `--output json` has them all."""
    if amount is None:
        return "–"
    value = Decimal(amount)
    if not value:
        return "0"
    return format(value.quantize(Decimal(1).scaleb(min(value.adjusted() - 2, 0))), "f")
