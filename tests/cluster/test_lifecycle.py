"""The life of a configuration: applied, edited, mended and deleted by kubectl, served by both routers."""

from __future__ import annotations

from tieline_api.names import MODEL_ROUTE

from tests.support.cluster_world import NAME, Tenant, own_pool, route


def test_applied_edited_and_deleted(tenant: Tenant) -> None:
    tenant.serve()
    tenant.apply(own_pool(), route("own"))
    tenant.kubectl("wait", "--for=condition=Ready", f"modelroute/{NAME}", "--timeout=60s")
    assert tenant.condition(MODEL_ROUTE, NAME, "Programmed") is not None
    assert [answer.status for answer in map(tenant.ask, tenant.installation.routers)] == [200, 200]
    assert tenant.get(MODEL_ROUTE, NAME)["status"]["routers"][0]["summary"] == "2/2"
