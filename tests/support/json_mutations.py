"""Puts something else into one place of a JSON document, for property tests. Draws come from hypothesis."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3))
)


def places(document: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value in the document, itself included."""
    found = [path]
    if isinstance(document, dict):
        for name, value in document.items():
            found += places(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            found += places(value, (*path, index))
    return found


@st.composite
def mutated(draw: st.DrawFn, document: Any, *, whole: bool = True) -> Any:
    """The document with one or two places changed: a value of any kind, a key too many, or a key too few."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([path for path in places(changed) if path or whole]))
        if not path:
            return draw(ANYTHING)
        holder: Any = changed
        for step in path[:-1]:
            holder = holder[step]
        kind = draw(st.sampled_from(["replace", "add", "remove"]))
        if kind == "remove":
            del holder[path[-1]]
        elif kind == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = draw(ANYTHING)
        else:
            holder[path[-1]] = draw(ANYTHING)
        if not changed:
            break
    return changed
