"""The rules of the API server about metadata, as far as authors of manifests can break them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tieline_api.v1alpha1.identifiers import LABEL_KEY, LABEL_VALUE, OBJECT_NAME
from tieline_api.validation.fields import unknown_fields
from tieline_api.validation.problems import Problem, show

_FIELDS: Final = (
    "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation "
    "labels managedFields name namespace ownerReferences resourceVersion selfLink uid"
)
_SCHEMA: Final[dict[str, Any]] = {"properties": {field: {} for field in _FIELDS.split()}}
_NAME_REMEDY: Final = (
    "write at most 253 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
)


def metadata_problems(metadata: Any) -> Iterator[Problem]:
    """Unknown fields, a missing or malformed name, labels and annotations that are not strings."""
    if not isinstance(metadata, Mapping):
        yield Problem("metadata", "Metadata", "is missing", "write metadata: {name: …}")
        return
    yield from unknown_fields(_SCHEMA, metadata, ("metadata",))
    name = metadata.get("name")
    if name is None:
        if not metadata.get("generateName"):
            yield Problem("metadata.name", "Metadata", "is missing", "write a name")
    elif not isinstance(name, str) or len(name) > 253 or not re.fullmatch(OBJECT_NAME, name):
        yield Problem("metadata.name", "Metadata", f"{name!r} is not a name", _NAME_REMEDY)
    for field in ("labels", "annotations"):
        if metadata.get(field) is not None:
            yield from _label_problems(field, metadata[field])


def _label_problems(field: str, entries: Any) -> Iterator[Problem]:
    path = show(("metadata", field))
    if not isinstance(entries, Mapping):
        yield Problem(path, "Metadata", "must be a mapping", "write key: value lines")
        return
    for key, value in entries.items():
        if not isinstance(value, str):
            yield Problem(
                path, "Metadata", f"{key!r} has a value that is not a string", f'write {key}: "…" with quotes'
            )
        elif not _label_key(str(key)):
            yield Problem(path, "Metadata", f"{key!r} is not a key", "write a name, or prefix/name")
        elif field == "labels" and not (len(value) <= 63 and re.fullmatch(LABEL_VALUE, value)):
            remedy = "write at most 63 letters, digits, '-', '_' and '.'"
            yield Problem(path, "Metadata", f"{key!r} has a value that no label can have", remedy)


def _label_key(key: str) -> bool:
    prefix, _, name = key.rpartition("/")
    return len(prefix) <= 253 and len(name) <= 63 and re.fullmatch(LABEL_KEY, key) is not None
