"""Reads a folder of manifests into raw objects with their places. Files in, values out; judges only what a file is.

What the objects mean is for `tieline_cli.judge`. A broken file is a problem and does not hide
the good ones.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tieline_api.names import API_VERSION, GROUP, PLURALS

from tieline_cli.manifests import Manifest, ManifestError, read_manifests
from tieline_cli.problems import Problem

SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_FILES: Final = 10_000
DEFAULT_NAMESPACE: Final = "default"
USED_KINDS: Final = {
    **{(API_VERSION, kind): kind for kind in PLURALS},
    ("v1", "Secret"): "Secret",
    ("v1", "Service"): "Service",
    ("v1", "Namespace"): "Namespace",
    ("discovery.k8s.io/v1", "EndpointSlice"): "EndpointSlice",
}
"""What is read; other kinds (Deployments, ConfigMaps, …) may stand in the folder and are passed over."""
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ObjectId(NamedTuple):
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Source:
    """One object and the manifest that it came from."""

    file: str
    manifest: Manifest
    object: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Folder:
    """All objects of a folder by identity, and what was wrong with its files."""

    sources: Mapping[ObjectId, Source]
    problems: tuple[Problem, ...]


def manifest_files(folder: Path) -> list[Path]:
    """The manifest files of a folder and those below, in order of name; hidden ones are left out."""
    if folder.is_file():
        return [folder]
    found = (
        path
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    return sorted(found)


def read_folder(folder: Path, variables: Mapping[str, str], *, placeholders: bool = False) -> Folder:
    """Reads every manifest; `variables` fill the `${NAME}` of Secrets' `stringData`.

    A value whose variable is not set is left out, so that whoever refers to it learns that the key is missing; with
    `placeholders` it becomes a text of its own, so that references resolve (for lint, which sends nothing anywhere).
    """
    sources: dict[ObjectId, Source] = {}
    problems: list[Problem] = []
    files = manifest_files(folder)
    if not files:
        names = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        problems.append(Problem(str(folder), 1, "", "", "error", f"no manifests here ({names})"))
    if len(files) > MAX_FILES:
        message = f"{len(files)} manifest files, of which only the first {MAX_FILES} are read"
        problems.append(Problem(str(folder), 1, "", "", "error", message, "give a smaller folder"))
    for path in files[:MAX_FILES]:
        for item in _read_file(path):
            if isinstance(item, Problem):
                problems.append(item)
                continue
            _add(item, sources, problems, _Filling(variables, placeholders))
    return Folder(sources, tuple(problems))


def _read_file(path: Path) -> Iterator[Source | Problem]:
    name = str(path)
    try:
        for manifest in read_manifests(path.read_text(encoding="utf-8")):
            yield Source(name, manifest, manifest.object)
    except ManifestError as error:
        yield Problem(name, error.line, "", "", "error", str(error), "nothing of this file below that line was read")
    except UnicodeDecodeError as error:
        yield Problem(name, 1, "", "", "error", f"not UTF-8 text: {error.reason} at byte {error.start}")
    except OSError as error:
        yield Problem(name, 1, "", "", "error", f"cannot be read: {error.strerror}")


@dataclass(frozen=True, slots=True)
class _Filling:
    variables: Mapping[str, str]
    placeholders: bool


def _add(source: Source, sources: dict[ObjectId, Source], problems: list[Problem], filling: _Filling) -> None:
    manifest, raw = source.manifest, source.object
    api_version, kind = raw.get("apiVersion"), raw.get("kind")

    def problem(message: str, field_path: str, remedy: str = "", *, subject: str = "") -> None:
        line = manifest.line_of(tuple(field_path.split(".")))
        problems.append(Problem(source.file, line, subject, field_path, "error", message, remedy))

    if not isinstance(api_version, str) or not isinstance(kind, str):
        missing = "apiVersion" if not isinstance(api_version, str) else "kind"
        return problem(f"{missing} is missing", missing, "every manifest starts with apiVersion and kind")
    used = USED_KINDS.get((api_version, kind))
    if used is None:
        if api_version.split("/")[0] == GROUP:
            known = ", ".join(PLURALS)
            problem(f"{GROUP} has no kind {kind} in {api_version}", "kind", f"write {API_VERSION} and one of {known}")
        return None
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        return problem("metadata.name is missing", "metadata.name", "give the object a name", subject=kind)
    namespace = metadata.get("namespace")
    if not isinstance(namespace, str | None):
        message = f"must be a string, not {namespace!r}"
        return problem(message, "metadata.namespace", "quote it", subject=f"{kind} {metadata['name']}")
    identity = ObjectId(used, "" if used == "Namespace" else namespace or DEFAULT_NAMESPACE, metadata["name"])
    if identity in sources:
        first = sources[identity]
        where = f"{first.file}:{first.manifest.line}"
        return problem(f"stands twice: first in {where}", "metadata.name", "remove one of them", subject=str(identity))
    completed = {**raw, "metadata": _completed(metadata, identity)}
    if used == "Secret":
        completed = _filled_secret(source, completed, identity, filling, problems)
    sources[identity] = Source(source.file, manifest, completed)
    return None


def _completed(metadata: Mapping[str, Any], identity: ObjectId) -> dict[str, Any]:
    """What the API server would add; equal times leave ties between routes to their names."""
    added = {"uid": str(identity), "generation": 1, "creationTimestamp": "1970-01-01T00:00:00Z"}
    return {**added, **metadata, **({"namespace": identity.namespace} if identity.namespace else {})}


def _filled_secret(
    source: Source,
    raw: dict[str, Any],
    identity: ObjectId,
    filling: _Filling,
    problems: list[Problem],
) -> dict[str, Any]:
    """The Secret as the API server would store it: `stringData` filled in and moved into `data`."""
    data, texts = raw.get("data") or {}, raw.get("stringData") or {}
    for name, value in (("data", data), ("stringData", texts)):
        if not isinstance(value, dict):
            line = source.manifest.line_of((name,))
            message, remedy = "must be a mapping of names to strings", f"write {name}: {{name: value}}"
            problems.append(Problem(source.file, line, str(identity), name, "error", message, remedy))
            return {**raw, "data": {}, "stringData": {}}
    data = dict(data)
    for key, text in texts.items():
        path = ("stringData", key)
        line = source.manifest.line_of(path)
        if not isinstance(text, str):
            plain = source.manifest.place_of(path).plain
            remedy = f'write "{plain}"' if plain else "quote it"
            message = f"must be a string, not {text!r}"
            problems.append(Problem(source.file, line, str(identity), f"stringData.{key}", "error", message, remedy))
            continue
        unset = sorted({name for name in _VARIABLE.findall(text) if name not in filling.variables})
        if unset:
            message = f"{' and '.join(unset)} is not set" + (
                "" if filling.placeholders else ", so this key is left out"
            )
            remedy = f"export {unset[0]}=… or name a file with --env-file"
            problems.append(Problem(source.file, line, str(identity), f"stringData.{key}", "warning", message, remedy))
            if not filling.placeholders:
                continue
        values = {**{name: f"{identity}:{key}:{name}" for name in unset}, **filling.variables}
        value = _VARIABLE.sub(lambda match, values=values: values[match[1]], text)  # type: ignore[misc]
        data[key] = base64.b64encode(value.encode()).decode()
    return {**{name: value for name, value in raw.items() if name != "stringData"}, "data": data}
