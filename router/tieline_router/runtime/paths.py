"""What a path on the API port means. Pure; used by `server`.

Inference is `apis.OPERATIONS` under both trees; beside it stand a few things to look up. Whatever else official clients
call gets an error that says that it is not served, and what is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from tieline_router.apis import OPERATIONS, TREES, Dialect


class Lookup(StrEnum):
    """What can be looked up with GET."""

    MODELS = "/models"
    MODEL = "/models/{id}"
    MODEL_ENDPOINTS = "/models/{author}/{slug}/endpoints"
    PROVIDERS = "/providers"
    GENERATION = "/generation"
    KEY = "/key"
    CREDITS = "/credits"


class Place(NamedTuple):
    """What stands under a path."""

    dialect: Dialect
    """With an operation: inference, by POST."""
    lookup: Lookup | None = None
    name: str = ""
    """The model's id, of a look-up of one."""
    why_not: str = ""
    """Nothing stands here, for a reason that is known."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Those that it takes; empty: nothing stands here."""
        if self.lookup is not None:
            return ("GET", "HEAD")
        return ("POST",) if self.dialect.operation is not None else ()


_BOTH: Final = {lookup.value: lookup for lookup in (Lookup.MODELS,)}
_OPENROUTER: Final[dict[str, Lookup]] = _BOTH | {
    lookup.value: lookup for lookup in (Lookup.PROVIDERS, Lookup.GENERATION, Lookup.KEY, Lookup.CREDITS)
}
_MODELS: Final = "/models/"
_MODEL: Final = "/model/"
"""OpenRouter's other path of one model."""
_ENDPOINTS: Final = "/endpoints"
_NOT_SERVED: Final = {
    "/responses/": "stored responses are not served, because this router keeps no answers: send the whole input",
    "/conversations": "conversations are not served, because this router keeps no answers: send the whole input",
    "/realtime": "WebSockets (Realtime) are not served",
    "/rerank": "rerank is not served",
    "/messages/batches": "batches are not served: send the messages one by one",
    "/batches": "batches are not served: send the requests one by one",
    "/files": "files are not served: put their content into the request",
    "/assistants": "assistants and threads are not served: use responses or chat completions",
    "/threads": "assistants and threads are not served: use responses or chat completions",
    "/fine_tuning": "fine-tuning is not served",
    "/moderations": "moderations are not served",
}
"""What clients may hope for, by the beginning of the path within its tree."""
SERVED: Final = ", ".join(
    [f"POST /v1{path}" for path in OPERATIONS] + [f"GET /v1{path}" for path in _BOTH] + ["and the same under /api/v1"]
)
WEBSOCKETS: Final = _NOT_SERVED["/realtime"]
OUTSIDE: Final = Place(Dialect("openai"))
"""A path in neither tree: OpenAI's errors."""

EXACT: Final = {
    prefix + path: Place(Dialect(tree, operation)) for prefix, tree in TREES for path, operation in OPERATIONS.items()
}
"""By the path as it stands in the request line: one look-up for nearly all requests."""


def place(path: str) -> Place:
    """What stands under a decoded path without its query."""
    for prefix, tree in TREES:
        if path == prefix or path.startswith(prefix + "/"):
            return EXACT.get(path.rstrip("/")) or _found(Dialect(tree), path[len(prefix) :].rstrip("/"))
    return OUTSIDE


def _found(dialect: Dialect, path: str) -> Place:
    openrouter = dialect.tree == "openrouter"
    lookup = (_OPENROUTER if openrouter else _BOTH).get(path)
    if lookup is not None:
        return Place(dialect, lookup)
    if openrouter and path.startswith(_MODEL):
        return Place(dialect, Lookup.MODEL, path.removeprefix(_MODEL))
    if path.startswith(_MODELS):
        name = path.removeprefix(_MODELS)
        if openrouter and name.endswith(_ENDPOINTS):
            return Place(dialect, Lookup.MODEL_ENDPOINTS, name.removesuffix(_ENDPOINTS))
        return Place(dialect, Lookup.MODEL, name)
    why = next((words for start, words in _NOT_SERVED.items() if path.startswith(start)), "")
    return Place(dialect, why_not=why)
