"""The scripted upstream as a process, for demonstrations: `python -m tests.support.upstream --help`.

The first line that it prints says its address. It ends with SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from tests.support import replies
from tests.support.openai_answers import Reply
from tests.support.upstream import Upstream

NAMED: Mapping[str, Callable[[], Reply]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        replies.ok,
        replies.hang_before_headers,
        replies.hang_after_headers,
        replies.hang_mid_stream,
        replies.comments_only,
        replies.reset_before_headers,
        replies.reset_after_headers,
        replies.reset_mid_stream,
        replies.close_before_headers,
        replies.close_mid_stream,
        replies.truncated,
        replies.missing_finish_reason,
        replies.missing_done,
        replies.empty_answer,
        replies.empty_body,
        replies.huge_answer,
        replies.rate_limited,
        replies.server_error,
        replies.unauthorized,
        replies.payment_required,
        replies.forbidden,
        replies.context_length_exceeded,
        replies.error_in_ok,
        replies.error_in_stream,
        replies.garbage_http,
        replies.garbage_event,
        replies.cut_json_event,
        replies.wrong_content_type,
        replies.compressed,
    )
}
"""The behaviours that need no argument, by the name that the command line uses."""


def named(name: str) -> Reply:
    """Looks a behaviour up by its name; an unknown one is an error that lists them all."""
    if name not in NAMED:
        raise argparse.ArgumentTypeError(f"unknown behaviour {name!r}; known: {', '.join(sorted(NAMED))}")
    return NAMED[name]()


def script(names: str) -> list[Reply]:
    return [named(name) for name in names.split(",") if name]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.upstream", description="A scripted OpenAI server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the first line printed says which")
    parser.add_argument("--name", default="upstream", help="what it calls itself in its answers")
    parser.add_argument("--prefix", default="/v1", help="path below which the API stands")
    parser.add_argument(
        "--model", action="append", help="a name for GET /models; may be given again; default: the name"
    )
    parser.add_argument("--text", help="what it answers; default: a sentence with its name")
    parser.add_argument("--chunks", type=int, default=8, help="content deltas of a streamed answer")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each of them")
    parser.add_argument(
        "--script", type=script, default=[], help="behaviours of the first requests, with commas between"
    )
    parser.add_argument("--default", type=named, help="the behaviour of all later requests; default: a good answer")
    parser.epilog = "Behaviours: " + ", ".join(sorted(NAMED))
    return parser.parse_args(arguments)


async def serve(chosen: argparse.Namespace) -> None:
    """Serves until SIGINT or SIGTERM."""
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    text = chosen.text or f"This answer comes from {chosen.name}."
    upstream = Upstream(
        *chosen.script,
        default=chosen.default or replies.ok(text, chunks=chosen.chunks, delay=chosen.delay),
        host=chosen.host,
        port=chosen.port,
        prefix=chosen.prefix,
        models=chosen.model or (chosen.name,),
    )
    async with upstream:
        sys.stdout.write(f"listening on {upstream.base_url}\n")
        sys.stdout.flush()
        await end.wait()


def main() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options()))
