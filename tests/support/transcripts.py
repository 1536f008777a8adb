"""A provider's stream fed to a form, whole and in pieces: what reaches the client, and how it ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tieline_router.apis import Dialect, Operation, PathTree
from tieline_router.errors import ErrorClass
from tieline_router.streaming.form import Cost, Form, Stamp
from tieline_router.streaming.usage import Usage

from tests.support.openai_answers import Asked, Body, Reply, split

CREATED = 1_700_000_000
LIMIT = 1 << 20


class Result(NamedTuple):
    """What became of one stream."""

    client: bytes
    """All that the client got."""
    failure: ErrorClass | None
    committed: bool
    finish_reason: str | None
    usage: Usage | None


def stamp(client: Operation, tree: PathTree = "openai", *, usage: bool = True, choices: int = 1) -> Stamp:
    """What is ours, with a price of 1 for the prompt and 2 for the completion."""
    return Stamp(
        Dialect(tree, client),
        "gen-1",
        "author/model",
        "Own",
        CREATED,
        usage=usage,
        cost=lambda _usage: Cost(3.0, 1.0, 2.0),
        choices=choices,
    )


def relay(form: Form, ours: Stamp, pieces: Iterable[bytes], limit: int = LIMIT) -> Result:
    """Feeds the pieces as the runtime does: until the answer has ended or failed."""
    stream = form.stream(ours, limit)
    out = bytearray()
    for piece in pieces:
        if stream.ended or stream.failure is not None:
            break
        out += stream.feed(piece)
    if stream.failure is None:
        out += stream.end()
    error = stream.failure.error if stream.failure else None
    return Result(bytes(out), error, stream.committed, stream.finish_reason, stream.usage)


def check_every_cut(form: Form, ours: Stamp, data: bytes) -> Result:
    """The result of the whole, after seeing that a cut at any byte, and one at every byte, change nothing."""
    whole = relay(form, ours, [data])
    for cut in range(1, len(data)):
        assert relay(form, ours, [data[:cut], data[cut:]]) == whole, f"cut at {cut}: {data[:cut][-40:]!r}"
    assert relay(form, ours, split(data, range(len(data)))) == whole
    return whole


def body(reply: Reply, asked: Asked) -> bytes:
    """All that a scripted provider writes into its answer's body."""
    return b"".join(step.data for step in reply(asked) if isinstance(step, Body))
