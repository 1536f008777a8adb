"""The API server's audit log as records: what a test asks to know who wrote what. Pure; the file is read by `plane`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

READS = frozenset({"get", "list", "watch"})


@dataclass(frozen=True)
class AuditRecord:
    """One answered request. Strings are empty where a request has no such part (a non-resource URL has no resource)."""

    verb: str  # of RBAC: get, list, watch, create, update, patch, delete, deletecollection; else the HTTP method
    user: str
    group: str  # API group, empty for the core group
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    allowed: bool  # by RBAC; an allowed request may still get 403, such as a write to a namespace that is going
    stage: str  # ResponseComplete, or ResponseStarted when a watch begins, or Panic
    uri: str
    agent: str  # User-Agent: which program asked, as it says itself
    time: str  # when the API server received it, RFC 3339

    @property
    def writes(self) -> bool:
        return self.verb not in READS


def parse(lines: Iterable[bytes]) -> list[AuditRecord]:
    """Records in the order of the log; a line of another shape is an error, since the log is the API server's own."""
    return [_record(json.loads(line)) for line in lines if line.strip()]


def _record(event: dict[str, object]) -> AuditRecord:
    target = _object(event, "objectRef")
    code = _object(event, "responseStatus").get("code", 0)
    return AuditRecord(
        verb=str(event["verb"]),
        user=str(_object(event, "user").get("username", "")),
        group=str(target.get("apiGroup", "")),
        resource=str(target.get("resource", "")),
        subresource=str(target.get("subresource", "")),
        namespace=str(target.get("namespace", "")),
        name=str(target.get("name", "")),
        code=code if isinstance(code, int) else 0,
        allowed=_object(event, "annotations").get("authorization.k8s.io/decision") == "allow",
        stage=str(event["stage"]),
        uri=str(event["requestURI"]),
        agent=str(event.get("userAgent", "")),
        time=str(event["requestReceivedTimestamp"]),
    )


def _object(event: dict[str, object], key: str) -> dict[str, object]:
    value = event.get(key)
    return value if isinstance(value, dict) else {}
