"""Carries a plan out: the one writer of statuses. Decides nothing; what was written goes into the store at once, unless
a watch told something newer meanwhile.

Called by `reconcile` with what `plan` returned.
"""

from __future__ import annotations

from tieline_operator.cluster import Cluster
from tieline_operator.errors import NotFound
from tieline_operator.events import EventPoster
from tieline_operator.plan import StatusPlan
from tieline_operator.resources import OWN, Body
from tieline_operator.store import Store


async def apply_status(cluster: Cluster, store: Store, poster: EventPoster, plan: StatusPlan, body: Body) -> bool:
    """Writes the status and offers the Events; False when the object is gone.

    Raises:
        Conflict: the object was made anew meanwhile. ApiError, Unavailable: as ever.
    """
    resource = OWN[plan.id.kind]
    try:
        written = await cluster.apply_status(resource, body, plan.status)
    except NotFound:
        return False
    # The watch tells of it too, later; a plan made until then must already see what is written.
    store.put_written(resource.kind, body, written)
    for event in plan.events:
        poster.offer(written, event)
    return True
