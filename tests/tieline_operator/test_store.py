"""The store against watches and LISTs that overtake each other."""

from typing import Any

from tieline_api.names import Key
from tieline_operator.resources import CONSUMERS, ENDPOINT_SLICES, MODEL_ROUTES
from tieline_operator.store import Change, Store, key_of

ROUTE = MODEL_ROUTES.kind
SLICE = ENDPOINT_SLICES.kind
A, B = Key("ai/a"), Key("ai/b")


def body(name: str, version: int, *, generation: int = 1, **parts: Any) -> dict[str, Any]:
    metadata = {"namespace": "ai", "name": name, "resourceVersion": str(version), "generation": generation}
    return {"metadata": metadata | parts.pop("metadata", {}), **parts}


def store() -> Store:
    return Store([ROUTE, SLICE])


def listed(kind: str, *bodies: dict[str, Any], into: Store) -> dict[Key, Change]:
    into.begin(kind)
    return into.replace(kind, bodies)


def test_nothing_is_complete_before_every_kind_was_listed() -> None:
    tested = store()
    tested.put(ROUTE, body("a", 1))
    assert not tested.complete
    listed(ROUTE, into=tested)
    assert tested.missing() == [SLICE]
    tested.begin(SLICE)
    tested.abandon(SLICE)
    assert not tested.complete
    listed(SLICE, into=tested)
    assert tested.complete


def test_a_list_drops_what_vanished() -> None:
    tested = store()
    listed(ROUTE, body("a", 1), body("b", 2), into=tested)
    assert listed(ROUTE, body("a", 1), into=tested) == {B: Change.CONTENT}
    assert tested.keys(ROUTE) == [A]


def test_a_failed_list_changes_nothing() -> None:
    tested = store()
    listed(ROUTE, body("a", 1), into=tested)
    tested.begin(ROUTE)
    tested.abandon(ROUTE)
    assert tested.keys(ROUTE) == [A]


def test_what_a_watch_told_during_a_list_is_newer_than_the_list() -> None:
    tested = store()
    listed(ROUTE, body("a", 1), body("b", 2), into=tested)
    tested.begin(ROUTE)
    tested.put(ROUTE, body("a", 9, generation=2))
    tested.remove(ROUTE, body("b", 10))
    tested.put(ROUTE, body("c", 11))
    assert tested.replace(ROUTE, [body("a", 1), body("b", 2)]) == {}
    assert {name: found["metadata"]["resourceVersion"] for name, found in tested.bodies(ROUTE).items()} == {
        "ai/a": "9",
        "ai/c": "11",
    }


def test_versions_may_go_back_when_the_server_was_restored() -> None:
    tested = store()
    listed(ROUTE, body("a", 500, generation=7), into=tested)
    assert listed(ROUTE, body("a", 20, generation=3), into=tested) == {A: Change.CONTENT}
    found = tested.get(ROUTE, A)
    assert found is not None
    assert found["metadata"]["generation"] == 3


def test_our_own_status_writes_are_no_content() -> None:
    tested = store()
    assert tested.put(ROUTE, body("a", 1, spec={})) is Change.CONTENT
    assert tested.put(ROUTE, body("a", 2, spec={}, status={"conditions": []})) is Change.STATUS
    assert tested.put(ROUTE, body("a", 2, spec={}, status={"conditions": []})) is Change.NONE
    assert tested.put(ROUTE, body("a", 3, generation=2, spec={"x": 1})) is Change.CONTENT
    assert tested.put(ROUTE, body("a", 4, generation=2, spec={"x": 1}, metadata={"labels": {"a": "b"}})) is (
        Change.CONTENT
    )


def test_the_version_of_a_content_outlives_statuses_and_no_deletion() -> None:
    tested = store()
    versions = []
    for change in (body("a", 1), body("a", 2, status={"x": 1}), body("a", 3, generation=2), body("a", 4, generation=2)):
        tested.put(ROUTE, change)
        versions.append(tested.content_version(ROUTE, A))
    assert versions[0] == versions[1] < versions[2] == versions[3]
    tested.remove(ROUTE, body("a", 5))
    assert tested.content_version(ROUTE, A) == 0
    tested.put(ROUTE, body("a", 6, generation=2))
    assert tested.content_version(ROUTE, A) > versions[-1]


def test_every_part_of_a_foreign_object_is_content() -> None:
    tested = store()
    tested.put(SLICE, body("a", 1, endpoints=[]))
    assert tested.put(SLICE, body("a", 2, endpoints=[{"addresses": ["10.0.0.1"]}])) is Change.CONTENT
    assert tested.put(SLICE, body("a", 3, endpoints=[{"addresses": ["10.0.0.1"]}])) is Change.STATUS


def test_removing_twice_is_no_change() -> None:
    tested = store()
    tested.put(ROUTE, body("a", 1))
    assert tested.remove(ROUTE, body("a", 2)) is Change.CONTENT
    assert tested.remove(ROUTE, body("a", 2)) is Change.NONE


def test_managed_fields_are_not_kept_and_an_unchanged_body_stays_the_same_object() -> None:
    tested = store()
    tested.put(ROUTE, body("a", 1, metadata={"managedFields": [{"manager": "kubectl"}]}))
    found = tested.get(ROUTE, A)
    assert found is not None
    assert "managedFields" not in found["metadata"]
    tested.put(ROUTE, body("a", 1))
    assert tested.get(ROUTE, A) is found


def test_objects_without_namespace_have_a_key_too() -> None:
    assert key_of({"metadata": {"name": "ai"}}) == "/ai"
    assert CONSUMERS.kind == "Consumer"
