"""The life of a configuration: applied, edited, broken, mended and deleted by kubectl, and served by both routers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

import pytest
from tieline_api.names import API_VERSION, CONSUMER, MODEL_ROUTE, PROVIDER_POOL

from tests.support.api_client import Object
from tests.support.cluster_traffic import Traffic
from tests.support.cluster_world import (
    NAME,
    PATIENCE,
    PERMISSIVE,
    Tenant,
    admin_get,
    bought_pool,
    consumer,
    offer,
    own_pool,
    route,
    secret,
)
from tests.support.control_plane import ControlPlane
from tests.support.installation import Installation
from tests.support.pods import PodProcess
from tests.support.scripted_router import ScriptedRouter, third_of_fleet
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(control_plane, tmp_path_factory.mktemp("installation"), values=PERMISSIVE) as installed:
        yield installed


def generation_served(router: PodProcess, tenant: Tenant) -> int:
    """Generation of the tenant's route that is in force in a router; 0 without it."""
    routes = admin_get(router, "/admin/snapshot")["config"].get("routes", ())
    return next((int(found["generation"]) for found in routes if found["key"] == f"{tenant.namespace}/{NAME}"), 0)


# -- applied, edited, deleted --------------------------------------------------------------------------------------


def test_applied_edited_and_deleted(tenant: Tenant) -> None:
    routers = tenant.installation.routers
    tenant.serve("a")
    tenant.serve("b")
    tenant.apply(own_pool("a"), own_pool("b"), route("a"))
    tenant.kubectl("wait", "--for=condition=Ready", f"modelroute/{NAME}", "--timeout=60s")
    applied = tenant.get(MODEL_ROUTE, NAME)
    [fleet] = applied["status"]["routers"]
    assert (fleet["class"], fleet["summary"], fleet["observedGeneration"]) == ("default", "2/2", 1)
    assert tenant.condition(MODEL_ROUTE, NAME, "Programmed") == tenant.wait_condition(MODEL_ROUTE, NAME, "Programmed")
    assert ["from a-" in tenant.ask(router).text for router in routers] == [True, True]

    tenant.apply(route("b"))
    tenant.wait_ready()
    conditions = tenant.get(MODEL_ROUTE, NAME)["status"]["conditions"]
    assert {condition["observedGeneration"] for condition in conditions} == {2}
    assert [generation_served(router, tenant) for router in routers] == [2, 2]
    assert ["from b-" in tenant.ask(router).text for router in routers] == [True, True]

    tenant.kubectl("delete", "modelroute", NAME)
    for router in routers:
        refused = tenant.wait_answer(router, 404)
        assert (refused.error["code"], NAME in refused.error["message"]) == ("model_not_found", True)


def test_edits_in_a_row_lose_no_request(tenant: Tenant) -> None:
    tenant.serve("a", replicas=2)
    tenant.serve("b")
    tenant.apply(own_pool("a"), own_pool("b"), route("a", "b"))
    tenant.wait_ready()
    with Traffic(tenant.installation.routers, tenant.key, NAME) as traffic:
        for number in range(10):
            pools = ("a", "b") if number % 2 else ("b", "a")
            tenant.apply(route(*pools, timeouts={"connect": f"{number + 2}s"}))
            tenant.apply(own_pool("a", models=[offer(price=f"0.{number + 10}")]))
        tenant.wait_ready()
        traffic.wait(10)
    assert traffic.failures == []
    assert traffic.rewound() == []
    assert {text.split()[-1][0] for text in traffic.texts} == {"a", "b"}
    final = tenant.get(MODEL_ROUTE, NAME)
    assert final["metadata"]["generation"] == 11
    assert final["status"]["routers"][0]["summary"] == "2/2"
    assert [generation_served(router, tenant) for router in tenant.installation.routers] == [11, 11]


# -- pools and endpoints that come and go --------------------------------------------------------------------------


def test_missing_pool_is_told_and_heals_when_it_appears(tenant: Tenant) -> None:
    tenant.serve("late")
    tenant.serve("early")
    tenant.apply(own_pool("early"), route("late", "early"))
    found = tenant.wait_condition(MODEL_ROUTE, NAME, "ResolvedRefs", "False", "PoolNotFound")
    assert f"there is no ProviderPool {tenant.namespace}/late: create it, or correct the name" in found["message"]
    assert "spec.backendRefs[0]" in found["message"]
    tenant.wait_condition(MODEL_ROUTE, NAME, "Ready", "False")
    tenant.wait_condition(MODEL_ROUTE, NAME, "Programmed")
    tenant.wait_addresses()
    assert ["from early-" in tenant.ask(router).text for router in tenant.installation.routers] == [True, True]

    tenant.apply(own_pool("late"))
    tenant.wait_ready()
    assert tenant.get(MODEL_ROUTE, NAME)["metadata"]["generation"] == 1
    assert ["from late-" in tenant.ask(router).text for router in tenant.installation.routers] == [True, True]


def test_scaled_deployment_changes_the_endpoints(tenant: Tenant) -> None:
    router = tenant.installation.routers[0]
    servers = tenant.serve("own")
    tenant.serve("spare")
    tenant.apply(own_pool("own"), own_pool("spare"), route("own"), route("own", "spare", name="backed"))
    tenant.wait_ready(NAME, "backed")

    def scale(replicas: int) -> set[str]:
        tenant.kubectl("scale", "deployment", "own", f"--replicas={replicas}")
        tenant.follow(servers, replicas)
        return {process.name for process in servers.processes}

    def answer_from(pods: set[str]) -> bool:
        answers = [tenant.ask(router) for _ in range(12)]
        return {answer.text.split()[-1].rstrip(".") for answer in answers if answer.status == 200} == pods

    pods = scale(3)
    tenant.wait_condition(PROVIDER_POOL, "own", "Healthy", reason="Healthy")
    wait_until(lambda: answer_from(pods), f"answers of {pods}", PATIENCE)
    wait_until(lambda: tenant.get(PROVIDER_POOL, "own")["status"]["endpoints"]["ready"] == 3, "3 endpoints", PATIENCE)

    scale(0)
    empty = tenant.wait_condition(PROVIDER_POOL, "own", "Healthy", "False", "NoEndpoints")
    assert "the Service selects no pods: see its selector and the replicas of the workload" in empty["message"]
    down = tenant.wait_condition(MODEL_ROUTE, NAME, "BackendsHealthy", "False", "NoHealthyBackends")
    assert f"{tenant.namespace}/own" in down["message"]
    tenant.wait_ready()  # a provider's outage is no fault of the route
    refused = tenant.wait_answer(router, 503)
    assert (refused.error["code"], "own" in refused.error["message"]) == ("no_healthy_backend", True)
    assert "from spare-" in tenant.ask(router, "backed").text

    pods = scale(1)
    wait_until(lambda: answer_from(pods), f"answers of {pods}", PATIENCE)
    tenant.wait_condition(PROVIDER_POOL, "own", "Healthy")


# -- a router that refuses -----------------------------------------------------------------------------------------


@pytest.fixture
def third_router(installation: Installation) -> Iterator[ScriptedRouter]:
    with third_of_fleet(installation) as scripted:
        yield scripted


def test_refused_frame_names_router_and_reason_and_others_apply(tenant: Tenant, third_router: ScriptedRouter) -> None:
    tenant.serve("a")
    servers = tenant.serve("b")
    with third_router as scripted:
        tenant.apply(own_pool("a"), own_pool("b"), route("a"))
        tenant.wait_ready()
        assert tenant.get(MODEL_ROUTE, NAME)["status"]["routers"][0]["summary"] == "3/3"

        scripted.refuses["config"] = "schema 99 is not one that this router reads"
        tenant.apply(route("b"))
        refused = tenant.wait_condition(MODEL_ROUTE, NAME, "Programmed", "False", "RejectedByRouter")
        assert f"router {scripted.name} refused the configuration and keeps the one before" in refused["message"]
        assert "schema 99 is not one that this router reads" in refused["message"]
        wait_until(
            lambda: all(tenant.answered_by(router, "b-") for router in tenant.installation.routers),
            "the edit to be in force in the other routers",
            PATIENCE,
        )
        assert tenant.get(MODEL_ROUTE, NAME)["status"]["routers"][0]["summary"] == "2/3"

        frames = scripted.taken.count("endpoints")
        tenant.kubectl("scale", "deployment", "b", "--replicas=2")
        tenant.follow(servers, 2)
        scripted.wait_taken("endpoints", frames + 1)

        del scripted.refuses["config"]
        tenant.apply(route("a"))
        tenant.wait_ready()


def test_router_that_reads_another_schema_is_told_and_the_others_serve(
    tenant: Tenant, third_router: ScriptedRouter
) -> None:
    third_router.schemas = (0,)
    tenant.serve()
    tenant.apply(own_pool(), route("own"))
    tenant.wait_condition(MODEL_ROUTE, NAME, "Programmed", "False", "WaitingForRouters")
    with third_router as old:
        told = tenant.wait_condition(MODEL_ROUTE, NAME, "Programmed", "False", "RejectedByRouter")["message"]
    assert "the router reads schema 0, this operator writes 1" in (old.closed or "")
    assert f"router {old.name} refused the configuration" in told
    assert "the router reads schema 0, this operator writes 1" in told
    tenant.wait_addresses()
    assert [tenant.ask(router).status for router in tenant.installation.routers] == [200, 200]


# -- bad input -----------------------------------------------------------------------------------------------------


def no_secret(_: Tenant) -> None:
    pass


def unlabelled_secret(tenant: Tenant) -> None:
    tenant.apply(secret("bought-key", labelled=False, apiKey="sk-bought"))


def secret_without_key(tenant: Tenant) -> None:
    tenant.apply(secret("bought-key", password="x"))


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (no_secret, "SecretNotFound"),
        (unlabelled_secret, "SecretNotLabelled"),
        (secret_without_key, "SecretKeyNotFound"),
    ],
)
def test_secret_that_cannot_be_used_heals_by_the_commands_told(
    tenant: Tenant, prepare: Callable[[Tenant], None], reason: str
) -> None:
    [api] = tenant.serve("api").processes
    prepare(tenant)
    tenant.apply(bought_pool(url=api.url("http")), route("bought"))
    told = tenant.wait_condition(PROVIDER_POOL, "bought", "ResolvedRefs", "False", reason)["message"]
    assert "spec.connection.credentials[0]" in told
    tenant.wait_condition(MODEL_ROUTE, NAME, "ResolvedRefs", "False", "PoolNotResolved")
    commands = [shlex.split(command) for command in re.findall(r"kubectl [^;]+", told)]
    for command in sorted(commands, key=lambda words: words[1]):  # create before label
        tenant.kubectl(*(word.replace("VALUE", "sk-bought") for word in command[1:]))
    tenant.wait_ready()
    assert [tenant.ask(router).status for router in tenant.installation.routers] == [200, 200]


def test_service_that_is_missing_or_selects_nothing(tenant: Tenant) -> None:
    tenant.apply(own_pool(), route("own"))
    missing = tenant.wait_condition(PROVIDER_POOL, "own", "ResolvedRefs", "False", "ServiceNotFound")["message"]
    assert f"Service {tenant.namespace}/own does not exist: create it, or correct the name" in missing
    tenant.kubectl("create", "service", "clusterip", "own", "--tcp=8000:8000")
    tenant.wait_condition(PROVIDER_POOL, "own", "ResolvedRefs")
    empty = tenant.wait_condition(PROVIDER_POOL, "own", "Healthy", "False", "NoEndpoints")
    assert "selects no pods" in empty["message"]


def test_loser_of_a_model_name_names_the_winner_and_heals_when_it_goes(tenant: Tenant) -> None:
    router = tenant.installation.routers[0]
    tenant.serve("a")
    tenant.serve("b")
    tenant.apply(own_pool("a"), own_pool("b"), route("a", name="first", models=[NAME]))
    tenant.wait_ready("first")
    tenant.apply(route("b", name="second", models=[NAME]))  # an equal creation time is decided by the name
    lost = tenant.wait_condition(MODEL_ROUTE, "second", "Accepted", "False", "Conflicted")
    assert f"{NAME} (held by the older ModelRoute {tenant.namespace}/first)" in lost["message"]
    assert "from a-" in tenant.ask(router).text
    tenant.kubectl("delete", "modelroute", "first")
    tenant.wait_ready("second")
    assert "from b-" in tenant.ask(router).text


def test_two_consumers_with_one_key(tenant: Tenant) -> None:
    tenant.wait_condition(CONSUMER, "team", "Accepted")
    tenant.apply(consumer("twin"))
    lost = tenant.wait_condition(CONSUMER, "twin", "Accepted", "False", "DuplicateKey")
    assert f"{tenant.namespace}/team" in lost["message"]
    tenant.kubectl("delete", "consumer", "team")
    tenant.wait_condition(CONSUMER, "twin", "Ready")


def test_unknown_fields_are_pruned_and_break_nothing(tenant: Tenant) -> None:
    tenant.serve()
    tenant.apply(own_pool())
    strange: Object = route("own", strategie="Price")
    strange["spec"]["backendRefs"][0]["wieght"] = 7
    admin = tenant.installation.plane.admin
    path = f"/apis/{API_VERSION}/namespaces/{tenant.namespace}/modelroutes"
    created = admin.create(path, strange)
    assert "strategie" not in created["spec"]
    assert "wieght" not in created["spec"]["backendRefs"][0]
    tenant.wait_ready()
    assert tenant.ask(tenant.installation.routers[0]).status == 200
