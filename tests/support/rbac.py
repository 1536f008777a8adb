"""Roles and audit records compared: which granted right was used, and which request had no right. Pure.

A right is one verb on one kind, narrowed to one object where the Role names objects. Rules are read from manifests as
Helm renders them, requests from the API server's audit log. Used by the cluster floor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.support.api_client import Object
from tests.support.control_plane import AuditRecord


@dataclass(frozen=True, order=True)
class Right:
    """`resource` is written as in a Role: `modelroutes/status` for a subresource. `name` is empty for any object;
    `namespace` is empty for all of them and for what has none."""

    role: str
    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.role}: {self.verb} {kind}" + (f" {self.name}" if self.name else "")

    def used_by(self, record: AuditRecord) -> bool:
        """Whether the request is one that this right permits."""
        asked = "/".join(part for part in (record.resource, record.subresource) if part)
        return (
            (record.group, asked, record.verb) == (self.group, self.resource, self.verb)
            and self.name in {"", record.name}
            and self.namespace in {"", record.namespace}
        )


def rights(manifests: Iterable[Object], account: str) -> list[Right]:
    """Every right that Roles and ClusterRoles among the manifests give to a service account, by their bindings."""
    manifests = list(manifests)
    bound = {
        (one["roleRef"]["kind"], one["roleRef"]["name"], one["metadata"].get("namespace"))
        for one in manifests
        if one["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        and any(subject["name"] == account for subject in one["subjects"])
    }
    return sorted(
        right
        for one in manifests
        if (one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) in bound
        for right in _of(one)
    )


def _of(role: Object) -> Iterable[Right]:
    metadata = role["metadata"]
    title = f"{role['kind']} {metadata['name']}"
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or [""]:
                        yield Right(title, metadata.get("namespace", ""), group, resource, verb, name)


def unused(granted: Iterable[Right], records: Iterable[AuditRecord], own: str) -> list[str]:
    """The rights that no request needed. A right on all namespaces is needed only outside of the operator's `own`."""
    records = list(records)
    return [
        str(right)
        for right in granted
        if not any(right.used_by(record) and (right.namespace or record.namespace != own) for record in records)
    ]


def without_right(records: Iterable[AuditRecord]) -> list[str]:
    """The requests that RBAC refused."""
    return sorted(
        {
            f"{record.verb} {record.resource}/{record.subresource} {record.namespace}/{record.name} ({record.uri})"
            for record in records
            if not record.allowed
        }
    )
