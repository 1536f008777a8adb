"""From bodies to values: parsed once, in groups, with what cannot be read left out."""

import pytest
from tieline_api.names import LABEL_ROUTER_CLASS, Key
from tieline_operator.gather import Gatherer, secret_references
from tieline_operator.resources import WATCHED
from tieline_operator.store import Store
from tieline_operator.world import Options, World

from tests.tieline_operator.manifests import Raw, consumer, endpoint, endpoint_slice, external, metadata, route, service

OWN = "tieline-system"


def store(*bodies: Raw) -> Store:
    made = Store(resource.kind for resource in WATCHED)
    for body in bodies:
        made.put(body["kind"], body)
    return made


def gatherer(held: Store) -> Gatherer:
    return Gatherer(held, Options(), OWN)


def test_an_unchanged_body_gives_the_very_same_object() -> None:
    held = store(external(), route(), consumer())
    tested = gatherer(held)
    first = tested.world()
    held.put("ModelRoute", route(meta={"resourceVersion": "2", "generation": 2}))
    second = tested.world()
    assert second.pools[Key("ai/api")] is first.pools[Key("ai/api")]
    assert second.consumers[Key("ai/team")] is first.consumers[Key("ai/team")]
    assert second.routes[Key("ai/coder")] is not first.routes[Key("ai/coder")]
    assert second.routes[Key("ai/coder")].metadata.generation == 2
    held.put("ModelRoute", {**route(meta={"resourceVersion": "3", "generation": 2}), "status": {"conditions": []}})
    assert tested.world().routes[Key("ai/coder")] is second.routes[Key("ai/coder")]


def test_what_vanished_is_not_remembered() -> None:
    held = store(external())
    tested = gatherer(held)
    tested.world()
    held.remove("ProviderPool", external())
    assert tested.world().pools == {}
    assert tested._parsed["ProviderPool"] == {}


def test_it_is_the_world_that_the_raw_objects_make() -> None:
    bodies = [external(), route(), consumer(), service(), endpoint_slice("own-1", endpoint("10.0.0.1"))]
    assert gatherer(store(*bodies)).world() == World.from_objects(bodies)


def test_an_object_that_cannot_be_read_is_invalid_and_a_foreign_one_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken_route, broken_service = route("bad"), service("bad")
    broken_route["spec"] = {"models": "all"}
    broken_service["spec"] = {"ports": 8000}
    tested = gatherer(store(broken_route, broken_service, route()))
    for _ in range(3):
        world = tested.world()
        assert [id_.key for id_ in world.invalid] == ["ai/bad"]
        assert set(world.routes) == {"ai/coder"}
        assert world.services == {}
    assert len([record for record in caplog.records if "passed over" in record.message]) == 1


def fleet(name: str, router_class: str | None, namespace: str = OWN) -> Raw:
    body = service(name, namespace=namespace)
    body["metadata"]["labels"] = {} if router_class is None else {LABEL_ROUTER_CLASS: router_class}
    return body


def pod(name: str, ready: bool = True) -> Raw:
    return endpoint("10.0.0.1", ready, targetRef={"kind": "Pod", "namespace": OWN, "name": name})


def test_a_fleet_is_the_ready_pods_behind_a_labelled_service_of_the_own_namespace() -> None:
    bodies = [
        fleet("routers", "default"),
        endpoint_slice("routers-1", pod("r-1"), pod("r-0"), pod("r-2", ready=False), service="routers", namespace=OWN),
        endpoint_slice("routers-2", pod("r-0"), endpoint("10.0.0.9"), service="routers", namespace=OWN),
        fleet("batch", "batch"),
        fleet("plain", None),
        endpoint_slice("plain-1", pod("x"), service="plain", namespace=OWN),
        fleet("elsewhere", "default", namespace="ai"),
        endpoint_slice("elsewhere-1", pod("intruder"), service="elsewhere", namespace="ai"),
    ]
    assert gatherer(store(*bodies)).fleets() == {"batch": (), "default": ("r-0", "r-1")}


def test_secret_references_of_pools_and_consumers() -> None:
    credential = {"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": "key", "key": "k"}}}
    pool = external(connection={"credentials": [credential]})
    world = World.from_objects([pool, consumer("team", ("ci", "team-keys", "ci"))])
    assert secret_references(world) == {"ai/key", "ai/team-keys"}
    assert metadata("x")["name"] == "x"
