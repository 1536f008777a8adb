"""References to Secrets, resolved: the value with its version, or why there is none and which command heals that. Pure.

A Secret must carry the label `tieline.dev/use: credentials`, or the author of a pool could send any Secret of the
namespace to a URL of his own; the annotation `tieline.dev/hosts` binds its values to hosts. Called by `pools` and
`consumers`. Nothing here puts a value into a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tieline_api.conditions import Reason
from tieline_api.names import ANNOTATION_HOSTS, LABEL_USE, USE_CREDENTIALS, Key, key
from tieline_api.snapshot import SecretRef, SecretValue

from tieline_operator.objects import SecretObject
from tieline_operator.verdicts import Finding, Problem

_LABEL = f"{LABEL_USE}={USE_CREDENTIALS}"
_UNFILLED = re.compile(r"\$\{\w+\}")
"""A variable of a manifest for `tieline dev` that reached a cluster: all the world knows such a key."""


@dataclass(frozen=True, slots=True)
class Resolved:
    ref: SecretRef
    value: SecretValue = field(repr=False)
    hosts: tuple[str, ...] | None = None
    """Hosts to which it may be sent; None: any."""


def resolve(
    secrets: Mapping[Key, SecretObject], namespace: str, name: str, item: str, path: str, *, lines: bool = False
) -> Resolved | Finding:
    """The value under `item` of Secret `namespace/name`, or a finding with status False.

    `path` is the field that refers to it, with the index of each list item. `lines`: the value may have several lines
    (certificates); otherwise it goes into a header, and control characters would let it write further ones.
    """
    secret = secrets.get(key(namespace, name))
    label = f"kubectl label secret -n {namespace} {name} {_LABEL}"
    if secret is None:
        create = f"kubectl create secret generic -n {namespace} {name} --from-literal={item}=VALUE"
        problem = Problem(
            path,
            f"no Secret {namespace}/{name} with the label that permits its use",
            f"if it exists, {label}; otherwise first {create}",
        )
        return Finding.of(Reason.SECRET_NOT_FOUND, problem)
    if secret.labels.get(LABEL_USE) != USE_CREDENTIALS:
        problem = Problem(path, f"Secret {namespace}/{name} lacks the label that permits its use", label)
        return Finding.of(Reason.SECRET_NOT_LABELLED, problem)
    write = f'kubectl patch secret -n {namespace} {name} --type=merge -p \'{{"stringData":{{"{item}":"VALUE"}}}}\''
    if item not in secret.data:
        remedy = f"correct the reference, or add the key: {write}"
        problem = Problem(path, f"Secret {namespace}/{name} has no key {item}", remedy)
        return Finding.of(Reason.SECRET_KEY_NOT_FOUND, problem)
    value = secret.data[item]
    if not value:
        message = f"key {item} of Secret {namespace}/{name} is empty or is not text"
        return Finding.of(Reason.SECRET_KEY_NOT_FOUND, Problem(path, message, f"write its value: {write}"))
    if not lines and not value.isprintable():
        message = f"key {item} of Secret {namespace}/{name} holds control characters"
        return Finding.of(Reason.SECRET_KEY_NOT_FOUND, Problem(path, message, "write one line of text"))
    if _UNFILLED.fullmatch(value):
        message = f"key {item} of Secret {namespace}/{name} is {value} to the letter: only tieline dev fills it in"
        return Finding.of(Reason.SECRET_KEY_NOT_FOUND, Problem(path, message, f"write its value: {write}"))
    reference = SecretRef(id=f"{namespace}/{name}/{item}", version=secret.version)
    return Resolved(reference, SecretValue(version=secret.version, value=value), hosts_of(secret))


def hosts_of(secret: SecretObject) -> tuple[str, ...] | None:
    """Hosts that the annotation `tieline.dev/hosts` names, in lower case; None without the annotation. An annotation
    that names no host permits none."""
    stated = secret.annotations.get(ANNOTATION_HOSTS)
    if stated is None:
        return None
    return tuple(host.strip().lower() for host in stated.split(",") if host.strip())


def host_matches(host: str, pattern: str) -> bool:
    """Whether a host name is the pattern, or ends with the suffix of a pattern `*.suffix`."""
    host, pattern = host.lower().rstrip("."), pattern.lower()
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def unpermitted_host(found: Resolved, hosts: Iterable[str], path: str) -> Finding | None:
    """Why a value may not be sent to all of `hosts`; None when it may."""
    for host in hosts:
        if found.hosts is not None and not any(host_matches(host, pattern) for pattern in found.hosts):
            secret = found.ref.id.rpartition("/")[0]
            message = f"annotation {ANNOTATION_HOSTS} of Secret {secret} does not permit {host}"
            remedy = "add that host to the annotation, or use another Secret"
            return Finding.of(Reason.SECRET_HOST_NOT_PERMITTED, Problem(path, message, remedy))
    return None
