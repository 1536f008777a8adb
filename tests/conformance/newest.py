"""What depends on the releases of the clients: the one place to look when a new one breaks a test.

Clients are pinned by `make lock` to the newest releases; these are those of requirements/dev.txt.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Final

from pydantic import BaseModel

CLIENTS: Final = ("openai", "anthropic", "langchain-openai", "openrouter")
VERSIONS: Final = {name: version(name) for name in CLIENTS}
"""As installed; a failing test shows them."""

WEATHER: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
"""Schema of the tool's arguments, strict as `openai` wants it."""
PERSON: Final = json.dumps({"name": "Ada", "age": 36})
"""What a model answers that was asked for a `Person`."""

ITS_OWN_WARNINGS: Final = r"ignore:.*DEPRECATED:DeprecationWarning"
"""`openrouter` warns of its own models when it reads what the contract still demands (`rate_limit` of a key)."""


class Person(BaseModel):
    name: str
    age: int
