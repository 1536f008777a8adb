"""Mistakes of Tieline's own: judging one object raised what nothing should raise. Pure; used by `evaluate`.

Such an object gets a verdict that says so, and all others are judged as ever.
"""

from __future__ import annotations

from dataclasses import dataclass

from tieline_api.conditions import Reason
from tieline_api.names import Key

from tieline_operator.verdicts import Finding, Problem
from tieline_operator.world import ObjectId


@dataclass(frozen=True, slots=True)
class Fault:
    id: ObjectId
    error: Exception

    @property
    def finding(self) -> Finding:
        """For the condition. The error's text stays out: it may quote a secret."""
        error = type(self.error).__name__
        message = f"the operator failed on {self.id} ({error}), which is a mistake in Tieline and not in the object"
        remedy = "report it with the operator's log; until it is mended, try the object without its last change"
        return Finding.of(Reason.INVALID, Problem("", message, remedy))


class Faults(list[Fault]):
    """Those of one pass."""

    def finding(self, kind: str, key: Key, error: Exception) -> Finding:
        """Notes what was raised for an object; the finding goes into its verdict."""
        fault = Fault(ObjectId(kind, key), error)
        self.append(fault)
        return fault.finding
