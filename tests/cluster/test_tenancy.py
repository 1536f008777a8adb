"""What one namespace may know and use of another: by its routers, by its tokens, by its manifests, by its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL
from tieline_api.snapshot import ConfigFrame, EndpointsFrame, Hello, Revision

from tests.support.api_client import ApiClient
from tests.support.canaries import find
from tests.support.cluster_world import NAME, admin_get, bought_pool, consumer, own_pool, route, secret
from tests.support.control_plane import ControlPlane
from tests.support.installation import NAMESPACE, Installation
from tests.support.neighbours import Neighbour, neighbour
from tests.support.pods import PodProcess, keys_of
from tests.support.snapshot_client import SnapshotClient, holds_route
from tests.support.tokens import expired
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(240)  # one installation for all tests of the file; machines may be busy
AUDIENCE = "tieline-operator"


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    values = {"routers": {"default": {"replicas": 1}}}
    with Installation(control_plane, tmp_path_factory.mktemp("installation"), values=values) as installed:
        yield installed


@pytest.fixture(scope="module")
def here(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbour]:
    with neighbour(installation, tmp_path_factory.mktemp("here")) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def there(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbour]:
    with neighbour(installation, tmp_path_factory.mktemp("there")) as tenant:
        yield tenant


@pytest.fixture
def permissive(installation: Installation) -> Iterator[None]:
    """The operator permits for one test what it does not by default."""
    settings = {f"TIELINE_ALLOW_{what}": "true" for what in ("CROSS_NAMESPACE", "INSECURE", "PRIVATE")}
    installation.operator.extra.update(settings)
    installation.operator.restart()
    yield
    for name in settings:
        del installation.operator.extra[name]
    installation.operator.restart()


def stream(installation: Installation, token: str | None) -> SnapshotClient:
    """A connection to the operator with this token, over TLS that is verified as routers do."""
    bundle = installation.plane.admin.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/tieline-operator-ca")
    url = f"https://{installation.operator.address}:9443"
    return SnapshotClient(url, keys_of(bundle)["ca.crt"], f"tieline-operator.{NAMESPACE}.svc", token)


def told(router: PodProcess) -> dict[str, bytes]:
    """All that a router's admin port tells."""
    paths = ("/admin/snapshot", "/admin/endpoints", f"/admin/explain?model={NAME}")
    return {path: repr(admin_get(router, path)).encode() for path in paths}


# -- names and keys ----------------------------------------------------------------------------------------------------


def test_a_key_reaches_the_routes_of_its_own_namespace(
    installation: Installation, here: Neighbour, there: Neighbour
) -> None:
    """Both have a route of the same name for the same model, and neither is in the other's way."""
    for tenant in (here, there):
        accepted = tenant.condition(MODEL_ROUTE, NAME, "Accepted")
        assert accepted is not None
        assert (accepted["status"], accepted["reason"]) == ("True", "Accepted")
        [server] = tenant.servers.processes
        for router in installation.routers:
            assert server.name in tenant.ask(router).text


def test_a_key_that_another_namespace_holds_stays_there(
    installation: Installation, here: Neighbour, there: Neighbour
) -> None:
    there.apply(secret("copied", main=here.key), consumer("thief", secret="copied"))
    refused = there.wait_condition(CONSUMER, "thief", "Accepted", "False", "DuplicateKey")
    assert here.namespace not in refused["message"]
    [server] = here.servers.processes
    assert server.name in here.ask(installation.routers[0]).text
    there.kubectl("delete", "consumer", "thief")


# -- routers of other namespaces ---------------------------------------------------------------------------------------


def test_a_sidecar_serves_its_own_namespace_and_knows_no_other(
    installation: Installation, here: Neighbour, there: Neighbour
) -> None:
    sidecar = installation.add_router(here.namespace)
    sidecar.start()
    here.wait_answer(sidecar, 200)
    assert there.ask(sidecar).status == 401
    snapshot: dict[str, Any] = admin_get(sidecar, "/admin/snapshot")
    assert snapshot["scope"] == f"namespace/{here.namespace}"
    own = {"routes": NAME, "pools": "own", "consumers": "team"}
    found = {kind: [one["key"] for one in snapshot["config"][kind]] for kind in own}
    assert found == {kind: [f"{here.namespace}/{name}"] for kind, name in own.items()}
    endpoints = admin_get(sidecar, "/admin/endpoints")["endpoints"]
    assert [one["address"].partition(":")[0] for one in endpoints] == here.addresses
    assert find(there.traces(), told(sidecar)) == []
    assert find(here.traces(), told(sidecar)) != [], "this test can find a trace"


def test_a_router_of_an_empty_namespace_gets_nothing(
    installation: Installation, here: Neighbour, there: Neighbour, namespace: str
) -> None:
    router = installation.add_router(namespace)
    router.start()
    config = admin_get(router, "/admin/snapshot")["config"]
    assert not any(config.values())
    assert admin_get(router, "/admin/endpoints")["endpoints"] == []
    assert find(here.traces() | there.traces(), told(router)) == []
    assert {here.ask(router).status, there.ask(router).status} == {401}


async def test_no_byte_of_a_stream_is_another_namespaces(
    installation: Installation, admin: ApiClient, here: Neighbour, there: Neighbour
) -> None:
    """A token of `here`, whose account has the name of the gateways' account and whose bearer claims what it likes."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tieline-router"}}
    admin.create(f"/api/v1/namespaces/{here.namespace}/serviceaccounts", account)
    pod = installation.add_router(here.namespace, "tieline-router", "claims")
    token = installation.plane.token(here.namespace, "tieline-router", audiences=[AUDIENCE], pod=pod.name)
    holds = {kind: Revision("another", 2**31, 2**31) for kind in ("config", "endpoints", "secrets", there.namespace)}
    async with stream(installation, token) as client:
        await client.open(Hello(holds=holds, config_hash="0" * 64, version=there.namespace))
        newest = await client.until(holds_route(f"{here.namespace}/{NAME}"))
        config, endpoints = newest["config"], newest["endpoints"]
        assert isinstance(config, ConfigFrame)
        assert config.scope == f"namespace/{here.namespace}"
        assert isinstance(endpoints, EndpointsFrame)
        assert [*endpoints.pools] == [f"{here.namespace}/own"]

        there.apply(route("own", name="later"))  # what happens elsewhere while the stream is open, too
        there.wait_ready("later")
        here.apply(route("own", name="later"))
        await client.until(holds_route(f"{here.namespace}/later"))
        assert find(there.traces(), {"stream": client.bytes}) == []
        own = find(here.traces(), {"stream": client.bytes})
        assert len(own) == len(here.traces()) - 1, "all but the consumer's key, of which it has the hash"


# -- who gets no stream ------------------------------------------------------------------------------------------------


async def test_a_stream_needs_the_right_token(installation: Installation, admin: ApiClient, namespace: str) -> None:
    plane, [router] = installation.plane, installation.routers
    gateway = (NAMESPACE, "tieline-router")
    unlisted = installation.add_router(NAMESPACE, "default", "unlisted")
    gone = installation.add_router(namespace, name="gone")
    token_of_gone = plane.token(namespace, "default", audiences=[AUDIENCE], pod=gone.name)
    admin.delete(f"/api/v1/namespaces/{namespace}/pods/gone")
    wait_until(lambda: admin.find(f"/api/v1/namespaces/{namespace}/pods/gone") is None, "the pod to be gone")
    good = plane.token(*gateway, audiences=[AUDIENCE], pod=router.name)
    cases = {
        "no token": (None, 401),
        "garbage": ("garbage", 401),
        "changed": (good[:-20] + "A" * 20, 401),
        "expired": (expired(plane, good), 401),
        "pod is gone": (token_of_gone, 401),
        "for the API server": (plane.token(*gateway, pod=router.name), 401),
        "for another audience": (plane.token(*gateway, audiences=["vault"], pod=router.name), 401),
        "of no pod": (plane.token(*gateway, audiences=[AUDIENCE]), 403),
        "of an unlisted account": (plane.token(NAMESPACE, "default", audiences=[AUDIENCE], pod=unlisted.name), 403),
        "of the operator": (
            plane.token(NAMESPACE, "tieline-operator", audiences=[AUDIENCE], pod=installation.operator.name),
            403,
        ),
        "good, but no WebSocket": (good, 426),
    }
    for case, (token, status) in cases.items():
        async with stream(installation, token) as client:
            answered, words = await client.refusal(upgrade=status != 426)
        assert answered == status, f"{case}: {words}"
        assert '"message": "' in words, case
        assert token is None or token not in words, case
    async with stream(installation, good) as client:
        await client.open(Hello())
        assert await client.until(lambda newest: "config" in newest), "the token itself is good"


async def test_a_stream_needs_tls(installation: Installation) -> None:
    async with stream(installation, "garbage") as client:
        assert await client.over_plain_http() is None


# -- manifests that reach further --------------------------------------------------------------------------------------


def backend(pool: str, namespace: str) -> dict[str, Any]:
    return {"backendRefs": [{"name": pool, "namespace": namespace, "model": "acme/small"}]}


def test_by_default_no_pool_serves_another_namespace(here: Neighbour, there: Neighbour) -> None:
    there.apply(own_pool("open", service="own", allowedRoutes={"namespaces": {"from": "All"}}))
    here.apply(route(name="borrowed", **backend("open", there.namespace)))
    refused = here.wait_condition(MODEL_ROUTE, "borrowed", "ResolvedRefs", "False", "RefNotPermitted")
    assert "--allow-cross-namespace" in refused["message"]


def test_by_default_external_pools_are_public_and_encrypted(here: Neighbour) -> None:
    bought = bought_pool("plain", url="http://10.96.0.200:8000", secret="provider")
    here.apply(bought)
    refused = here.wait_condition(PROVIDER_POOL, "plain", "Accepted", "False", "NotPermitted")
    assert "--allow-insecure" in refused["message"]
    assert "--allow-private" in refused["message"]


@pytest.mark.usefixtures("permissive")
async def test_where_the_operator_permits_it_the_owners_of_pools_decide(
    installation: Installation, admin: ApiClient, here: Neighbour, there: Neighbour
) -> None:
    chosen = {"from": "Selector", "selector": {"matchLabels": {"team": "search"}}}
    there.apply(
        own_pool("open", service="own", allowedRoutes={"namespaces": {"from": "All"}}),
        own_pool("chosen", service="own", allowedRoutes={"namespaces": chosen}),
    )
    here.apply(
        route(name="borrowed", **backend("open", there.namespace)),
        route(name="for-some", **backend("chosen", there.namespace)),
        route(name="for-none", **backend("own", there.namespace)),
        bought_pool("plain", url="http://10.96.0.200:8000", secret="provider"),
    )
    here.wait_ready("borrowed")
    here.wait_condition(PROVIDER_POOL, "plain", "Accepted")
    [server] = there.servers.processes
    assert server.name in here.ask(installation.routers[0], "borrowed").text
    for name in ("for-some", "for-none"):
        refused = here.wait_condition(MODEL_ROUTE, name, "ResolvedRefs", "False", "RefNotPermitted")
        assert "allowedRoutes" in refused["message"]

    admin.merge(f"/api/v1/namespaces/{here.namespace}", {"metadata": {"labels": {"team": "search"}}})
    here.wait_ready("for-some")
    assert server.name in here.ask(installation.routers[0], "for-some").text

    # A sidecar's owner could call a pool past every rule, had it the address and the key.
    pod = installation.add_router(here.namespace, name="borrower")
    token = installation.plane.token(here.namespace, "default", audiences=[AUDIENCE], pod=pod.name)
    async with stream(installation, token) as client:
        await client.open(Hello())
        await client.until(holds_route(f"{here.namespace}/for-some"))
        assert find(there.traces(), {"stream": client.bytes}) == []
