"""References to other objects. All are local to the namespace of the object that holds them unless a field says
else."""

from __future__ import annotations

from tieline_api.v1alpha1.identifiers import DataKey, ObjectName
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.scalars import PortNumber


class SecretKeyRef(Shape):
    """One key of a Secret in the same namespace. The Secret must carry the label `tieline.dev/use: credentials`."""

    ATOMIC = True

    name: ObjectName
    """Name of the Secret."""
    key: DataKey
    """Key inside the Secret's data."""


class CaSecretRef(Shape):
    """One key of a Secret that holds certificates."""

    ATOMIC = True

    name: ObjectName
    """Name of the Secret."""
    key: DataKey = "ca.crt"
    """Key inside the Secret's data."""


class ConfigMapKeyRef(Shape):
    """One key of a ConfigMap in the same namespace."""

    ATOMIC = True

    name: ObjectName
    """Name of the ConfigMap."""
    key: DataKey
    """Key inside the ConfigMap's data."""


class ServiceRef(Shape):
    """A port of a Service in the same namespace."""

    ATOMIC = True

    name: ObjectName
    """Name of the Service."""
    port: PortNumber
    """Port of the Service (not of its pods) at which the model servers answer."""


class ApiKey(Shape):
    """Where an API key stands."""

    secret_ref: SecretKeyRef
    """Key of a Secret whose value is the API key."""
