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
    """The call did not reach the API server, or may not be made now. Not the call's own fault: worth trying again."""


class Unserved(Unavailable):
    """The API server answered this call with 401, 429 or 5xx, or with what is no JSON. Other calls may well succeed.

    `retry_after`: seconds for which the server asked to be left alone.
    """

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class LeaseLost(Exception):
    """Another operator holds the Lease, or it is gone: this process must end, because it must not write any more."""


class PartEnded(Exception):
    """A part of the process that should run for ever ended; the process ends with it, so that it is started anew."""
