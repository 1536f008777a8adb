import base64
from typing import Any

import pytest
from tieline_operator.objects import (
    EndpointSliceView,
    MalformedObject,
    NamespaceView,
    SecretObject,
    ServiceView,
    group_slices,
)

from tests.tieline_operator import manifests


def test_a_secret_gives_its_values_as_text_without_the_newline_of_echo() -> None:
    secret = SecretObject.from_object(manifests.secret("keys", {"ci": "sk-1\n"}))
    assert (secret.key, secret.data, secret.version) == ("ai/keys", {"ci": "sk-1"}, "1")


def test_string_data_wins_over_data_as_on_the_api_server() -> None:
    raw = manifests.secret("keys", {"ci": "old", "cd": "kept"}) | {"stringData": {"ci": "new"}}
    assert SecretObject.from_object(raw).data == {"ci": "new", "cd": "kept"}


def test_a_value_that_is_not_text_is_empty() -> None:
    raw = manifests.secret("keys", {}) | {"data": {"ci": base64.b64encode(b"\xff\xfe").decode()}}
    assert SecretObject.from_object(raw).data == {"ci": ""}


def test_no_repr_of_a_secret_shows_a_value() -> None:
    secret = SecretObject.from_object(manifests.secret("keys", {"ci": "sk-very-secret"}))
    assert "sk-very-secret" not in f"{secret!r} {secret}"


def manifest_of(value: str) -> dict[str, Any]:
    return {"kind": "Secret", "metadata": {"name": "keys", "namespace": "ai"}, "stringData": {"ci": value}}


def test_the_version_of_a_manifest_follows_its_values_and_hides_them() -> None:
    def version(value: str, version_key: bytes) -> str:
        return SecretObject.from_object(manifest_of(value), version_key).version

    assert version("a", b"1") == version("a", b"1")
    assert version("a", b"1") != version("b", b"1")
    assert version("a", b"1") != version("a", b"2"), "without the key of the process nobody can guess a value"


def test_a_manifest_without_version_is_refused_where_versions_are_expected() -> None:
    with pytest.raises(MalformedObject, match=r"metadata\.resourceVersion"):
        SecretObject.from_object(manifest_of("a"))


def test_endpoints_have_the_conditions_that_kubernetes_gives_to_open_ones() -> None:
    raw = manifests.endpoint_slice(
        "s",
        manifests.endpoint("10.0.0.1", None, targetRef={"kind": "Pod", "namespace": "ai", "name": "p"}, zone="z"),
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False, "serving": True, "terminating": True}},
        {"addresses": []},
    )
    first, second = EndpointSliceView.from_object(raw).endpoints
    assert (first.ready, first.serving, first.terminating, first.target, first.zone) == (True, True, False, "ai/p", "z")
    assert (second.ready, second.serving, second.terminating) == (False, True, True)


def test_slices_are_grouped_by_their_service_in_order_of_name() -> None:
    views = [
        EndpointSliceView.from_object(manifests.endpoint_slice(name, service=service))
        for name, service in (("b", "own"), ("a", "own"), ("c", "other"), ("d", ""))
    ]
    grouped = group_slices(views)
    assert {key: [view.name for view in group] for key, group in grouped.items()} == {
        "ai/own": ["a", "b"],
        "ai/other": ["c"],
    }


def test_every_namespace_has_the_label_with_its_name() -> None:
    view = NamespaceView.from_object(manifests.namespace("ai", team="search"))
    assert view.labels == {"kubernetes.io/metadata.name": "ai", "team": "search"}


@pytest.mark.parametrize(
    ("kind", "raw", "field"),
    [
        (SecretObject, {"metadata": []}, "metadata"),
        (SecretObject, {"metadata": {}}, "metadata.name"),
        (SecretObject, {"metadata": {"name": "s", "resourceVersion": "1"}, "data": {"a": "%"}}, "data.a"),
        (SecretObject, {"metadata": {"name": "s", "resourceVersion": "1"}, "stringData": {"a": 1}}, "stringData.a"),
        (ServiceView, {"metadata": {"name": "s"}, "spec": {"ports": [{}]}}, "spec.ports[].port"),
        (ServiceView, {"metadata": {"name": "s"}, "spec": {"ports": "80"}}, "spec.ports"),
        (ServiceView, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": "80"}]}}, "spec.ports[].port"),
        (EndpointSliceView, {"metadata": {"name": "s"}, "endpoints": [{"addresses": "10.0.0.1"}]}, "endpoints[]"),
        (EndpointSliceView, {"metadata": {"name": "s", "labels": {"a": 1}}}, "metadata.labels.a"),
        (NamespaceView, {"metadata": {"name": 1}}, "metadata.name"),
    ],
)
def test_a_malformed_object_names_its_field(
    kind: type[SecretObject | ServiceView | EndpointSliceView | NamespaceView], raw: dict[str, Any], field: str
) -> None:
    with pytest.raises(MalformedObject) as caught:
        kind.from_object(raw)
    assert str(caught.value).startswith(field)
