"""What can go wrong between the operator and the API server, as types. Raised by `cluster`, handled above it.

Each message says whose fault it is and what to do next. Nothing here does I/O.
"""

from __future__ import annotations


class ApiError(Exception):
    """The API server answered, and the answer was no. `status` is the HTTP status, `reason` the server's own word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message or reason or f"HTTP {status}")
        self.status = status
        self.reason = reason


class NotFound(ApiError):
    """404: the object, or the whole kind, does not exist."""


class Conflict(ApiError):
    """409: somebody else wrote first. Read again and try again; not an error worth a log line."""


class Forbidden(ApiError):
    """403: the operator's service account lacks a right. The message names verb, resource and namespace."""


class Unavailable(Exception):
    """The API server could not be reached, or could not serve (5xx, 429, time-out). Worth trying again."""


class LeaseLost(Exception):
    """Another operator holds the Lease, or it is gone: this process must end, because it must not write any more."""


class PartEnded(Exception):
    """A part of the process that should run for ever ended; the process ends with it, so that it is started anew."""
