"""A real Kubernetes control plane as local processes; `python -m tests.support.control_plane` runs one."""

from tests.support.control_plane.audit import AuditRecord
from tests.support.control_plane.plane import ControlPlane

__all__ = ["AuditRecord", "ControlPlane"]
