"""One line when the API server goes away and one when it is back, whatever the number of watches and tries. Pure.

`cluster` tells it how each call ended; it answers with the line to log, if any. A call that is answered with an error
is that call's own trouble and no outage; only when the probe is answered so too, the server serves nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

FAILURES_BEFORE_OUTAGE = 2
"""One call that is lost may be that call's own; the second in a row means that the server is away."""


@dataclass
class Outage:
    """State of the connection to the API server. Times are seconds of one monotonic clock."""

    since: float | None = None
    reached_at: float | None = None
    _failures: int = 0
    _probe_failures: int = 0

    @property
    def active(self) -> bool:
        return self.since is not None

    def failed(self, now: float, why: str) -> str | None:
        """A call did not reach the server. Returns the line that begins the outage, once."""
        self._failures += 1
        return self._begun(now, why)

    def probe_failed(self, now: float, why: str) -> str | None:
        """The server answered the probe with an error. Returns the line that begins the outage, once."""
        self._probe_failures += 1
        return self._begun(now, why)

    def succeeded(self, now: float, *, probe: bool = False) -> str | None:
        """A call was served. Returns the line that ends the outage, once: while probes fail only a probe ends it."""
        self._failures = 0
        self.reached_at = now
        if probe:
            self._probe_failures = 0
        if self.since is None or self._probe_failures >= FAILURES_BEFORE_OUTAGE:
            return None
        seconds, self.since = now - self.since, None
        return f"API server reachable again after {seconds:.0f} s; listing everything anew."

    def _begun(self, now: float, why: str) -> str | None:
        if self.active or max(self._failures, self._probe_failures) < FAILURES_BEFORE_OUTAGE:
            return None
        self.since = now
        return (
            f"API server unreachable: {why}. Routers keep serving what they have; trying again until it is back. "
            "If this stays, look at the API server and at the network policy of this namespace."
        )

    def reached_within(self, seconds: float, now: float) -> bool:
        """Whether the server answered during the last `seconds`."""
        return self.reached_at is not None and now - self.reached_at <= seconds
