"""Every name that the router's telemetry uses: metrics, labels, label values. Constants only.

Metric names follow Prometheus (base units, `_total`, `_seconds`); attribute names are those of the OpenTelemetry GenAI
conventions where those have one. `docs/metrics.md` lists them; a test compares.
"""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "tieline_router"

ROUTE: Final = "route"
POOL: Final = "pool"
ENDPOINT: Final = "endpoint"
OUTCOME: Final = "outcome"
"""`ok` or an error class of `docs/errors.md`."""
STREAM: Final = "stream"
KIND: Final = "kind"
FRAME: Final = "frame"
RESULT: Final = "result"

OK: Final = "ok"
NO_ROUTE: Final = "-"
"""Label value where a request was refused before a route was found; unknown names never become labels."""
