from tieline_api.names import MODEL_ROUTE, key
from tieline_operator.world import Invalid, ObjectId, World, read

from tests.tieline_operator import manifests


def test_a_world_holds_every_object_under_its_key() -> None:
    world = manifests.world(
        manifests.external(),
        manifests.route(),
        manifests.consumer(),
        manifests.secret("team-keys", {"ci": "a"}),
        manifests.service(),
        manifests.endpoint_slice(),
        manifests.namespace("ai"),
        {"kind": "Deployment", "metadata": {"name": "own"}},
    )
    assert list(world.pools) == ["ai/api"]
    assert list(world.routes) == ["ai/coder"]
    assert list(world.consumers) == ["ai/team"]
    assert list(world.secrets) == ["ai/team-keys"]
    assert list(world.services) == ["ai/own"]
    assert list(world.slices) == ["ai/own"]
    assert list(world.namespaces) == ["ai"]
    assert world.invalid == {}


def test_an_object_that_cannot_be_read_stands_apart_with_its_field() -> None:
    broken = manifests.route(meta={"generation": 7}) | {"spec": {"models": "coder"}}
    world = World.from_objects([broken, manifests.external()])
    identity = ObjectId(MODEL_ROUTE, key("ai", "coder"))
    assert world.routes == {}
    assert list(world.pools) == ["ai/api"]
    assert world.invalid[identity].generation == 7
    assert "spec.models" in world.invalid[identity].reason


def test_metadata_of_any_shape_gives_a_reason_and_no_exception() -> None:
    shapes: list[object] = [None, [], {"name": 3, "generation": "x"}]
    for metadata in shapes:
        found = read({"kind": MODEL_ROUTE, "metadata": metadata, "spec": {"models": ["a"]}})
        assert isinstance(found, Invalid)
        assert found.generation == 0
