"""Kubernetes' own objects as far as Tieline reads them: Secret, Service, EndpointSlice, Namespace. Pure parsing.

Each view is immutable and made from the raw JSON of the API server (or of a manifest) by its `from_object`. Nothing
here judges; `evaluate` does. Called by the operator's store and by `tieline dev|lint|explain`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tieline_api.names import Key, key

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""On an EndpointSlice: the Service that it belongs to."""


class MalformedObject(ValueError):
    """A raw object of another shape than its kind has. The message names the field."""


def _part(raw: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise MalformedObject(f"{path}{name}: must be an object")
    return value


def _items(raw: Mapping[str, Any], name: str, path: str) -> list[Mapping[str, Any]]:
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise MalformedObject(f"{path}{name}: must be a list of objects")
    return value


def _texts(raw: Mapping[str, Any], name: str, path: str) -> dict[str, str]:
    values = _part(raw, name, path)
    for label, value in values.items():
        if not isinstance(value, str):
            raise MalformedObject(f"{path}{name}.{label}: must be a string (quote it)")
    return dict(values)


def _port(raw: Mapping[str, Any], name: str, path: str) -> int | None:
    value = raw.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise MalformedObject(f"{path}{name}: must be a port number")


def _text(raw: Mapping[str, Any], name: str, path: str) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedObject(f"{path}{name}: must be a string (quote it)")
    return value


def _identity(raw: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    metadata = _part(raw, "metadata", "")
    name = _text(metadata, "name", "metadata.")
    if not name:
        raise MalformedObject("metadata.name: is missing")
    return _text(metadata, "namespace", "metadata."), name, metadata


@dataclass(frozen=True, slots=True)
class SecretObject:
    """A Secret with its values as text. Its repr never shows a value."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    data: Mapping[str, str] = field(repr=False)
    """White space at both ends is removed (a file made with `echo` ends in a newline). A value that is not UTF-8 text
    is empty here."""
    version: str
    """Changes with every change of a value; says nothing about it."""

    @property
    def key(self) -> Key:
        return key(self.namespace, self.name)

    @classmethod
    def from_object(cls, raw: Mapping[str, Any], version_key: bytes | None = None) -> Self:
        """Reads a Secret; `stringData` (manifests only) wins over `data`, as on the API server.

        The version is the resourceVersion. A manifest has none: then `version_key` (random, one per process) makes a
        keyed hash of the values, from which nobody without that key can guess a short value.

        Raises:
            MalformedObject: another shape, base64 that is none, or neither resourceVersion nor `version_key`.
        """
        namespace, name, metadata = _identity(raw)
        values: dict[str, str] = {}
        for item, encoded in _texts(raw, "data", "").items():
            try:
                values[item] = base64.b64decode(encoded, validate=True).decode().strip()
            except UnicodeDecodeError:
                values[item] = ""
            except ValueError:  # binascii.Error is one, and characters beyond ASCII raise a plain one
                raise MalformedObject(f"data.{item}: is not base64 (write plain text under stringData)") from None
        values |= {item: value.strip() for item, value in _texts(raw, "stringData", "").items()}
        version = _text(metadata, "resourceVersion", "metadata.")
        if not version:
            if version_key is None:
                raise MalformedObject("metadata.resourceVersion: is missing")
            digest = hashlib.blake2b(repr(sorted(values.items())).encode(), key=version_key, digest_size=12)
            version = digest.hexdigest()
        labels, annotations = _texts(metadata, "labels", "metadata."), _texts(metadata, "annotations", "metadata.")
        return cls(namespace, name, labels, annotations, values, version)


@dataclass(frozen=True, slots=True)
class ServicePort:
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class ServiceView:
    namespace: str
    name: str
    ports: tuple[ServicePort, ...]

    @property
    def key(self) -> Key:
        return key(self.namespace, self.name)

    @classmethod
    def from_object(cls, raw: Mapping[str, Any]) -> Self:
        """Reads a Service.

        Raises:
            MalformedObject: another shape.
        """
        namespace, name, _ = _identity(raw)
        ports = []
        for item in _items(_part(raw, "spec", ""), "ports", "spec."):
            number = _port(item, "port", "spec.ports[].")
            if number is None:
                raise MalformedObject("spec.ports[].port: is missing")
            ports.append(ServicePort(_text(item, "name", "spec.ports[]."), number))
        return cls(namespace, name, tuple(ports))


@dataclass(frozen=True, slots=True)
class SlicePort:
    name: str
    port: int | None
    """None: every port (headless Services without selector)."""


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One address of a slice. Conditions that the slice leaves open have the value that Kubernetes gives them."""

    address: str
    ready: bool
    serving: bool
    terminating: bool
    zone: str | None = None
    target: str | None = None
    """`namespace/name` of the pod behind it."""

    @classmethod
    def from_object(cls, raw: Mapping[str, Any]) -> Self | None:
        """Reads one item of `endpoints`; None when it has no address. All addresses of an item are the same pod, so
        the first one stands for it."""
        addresses = raw.get("addresses")
        if not addresses:
            return None
        if not isinstance(addresses, list) or not isinstance(addresses[0], str):
            raise MalformedObject("endpoints[].addresses: must be a list of strings")
        conditions = _part(raw, "conditions", "endpoints[].")
        ready = conditions.get("ready") is not False
        serving = conditions.get("serving")
        target = _part(raw, "targetRef", "endpoints[].")
        pod = _text(target, "name", "endpoints[].targetRef.")
        return cls(
            address=addresses[0],
            ready=ready,
            serving=ready if serving is None else serving is True,
            terminating=conditions.get("terminating") is True,
            zone=_text(raw, "zone", "endpoints[].") or None,
            target=f"{_text(target, 'namespace', 'endpoints[].targetRef.')}/{pod}" if pod else None,
        )


@dataclass(frozen=True, slots=True)
class EndpointSliceView:
    namespace: str
    name: str
    service: str
    """Name of the Service; empty for a slice that belongs to none."""
    address_type: str
    ports: tuple[SlicePort, ...]
    endpoints: tuple[EndpointView, ...]

    @property
    def key(self) -> Key:
        return key(self.namespace, self.name)

    @property
    def service_key(self) -> Key:
        return key(self.namespace, self.service)

    @classmethod
    def from_object(cls, raw: Mapping[str, Any]) -> Self:
        """Reads an EndpointSlice (discovery.k8s.io/v1).

        Raises:
            MalformedObject: another shape.
        """
        namespace, name, metadata = _identity(raw)
        ports = tuple(
            SlicePort(_text(item, "name", "ports[]."), _port(item, "port", "ports[]."))
            for item in _items(raw, "ports", "")
        )
        endpoints = tuple(
            view for item in _items(raw, "endpoints", "") if (view := EndpointView.from_object(item)) is not None
        )
        service = _texts(metadata, "labels", "metadata.").get(SERVICE_NAME_LABEL, "")
        return cls(namespace, name, service, _text(raw, "addressType", "") or "IPv4", ports, endpoints)


@dataclass(frozen=True, slots=True)
class NamespaceView:
    name: str
    labels: Mapping[str, str]

    @classmethod
    def from_object(cls, raw: Mapping[str, Any]) -> Self:
        """Reads a Namespace.

        Raises:
            MalformedObject: another shape.
        """
        _, name, metadata = _identity(raw)
        return cls.of(name, _texts(metadata, "labels", "metadata."))

    @classmethod
    def of(cls, name: str, labels: Mapping[str, str] | None = None) -> Self:
        """A namespace with the label that the API server gives to every one, its name."""
        return cls(name, {**(labels or {}), "kubernetes.io/metadata.name": name})


def group_slices(slices: Iterable[EndpointSliceView]) -> dict[Key, tuple[EndpointSliceView, ...]]:
    """Slices by the key of their Service, each group in order of slice name; slices of no Service are left out."""
    groups: dict[Key, list[EndpointSliceView]] = {}
    for view in slices:
        if view.service:
            groups.setdefault(view.service_key, []).append(view)
    return {service: tuple(sorted(group, key=lambda view: view.name)) for service, group in groups.items()}
