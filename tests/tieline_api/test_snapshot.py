from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api import snapshot
from tieline_api.snapshot import (
    SCHEMA,
    Ack,
    Config,
    ConfigFrame,
    EndpointsFrame,
    Frame,
    Heartbeat,
    Hello,
    OverlayFrame,
    Revision,
    SecretsFrame,
    UnreadableFrame,
)

REVISION = Revision("installation-a", 3, 7)
revisions = st.builds(Revision, st.sampled_from(["a", "b"]), st.integers(0, 3), st.integers(0, 3))
names = st.text("abc", min_size=1, max_size=3)
decimals = st.decimals(min_value=0, max_value=10**6, places=6).map(Decimal)
configs = st.builds(
    Config,
    pools=st.lists(
        st.builds(
            snapshot.Pool,
            key=names,
            slug=names,
            display_name=names,
            type=st.sampled_from(["SelfHosted", "External"]),
            models=st.lists(
                st.builds(
                    snapshot.Model,
                    name=names,
                    upstream_name=names,
                    pricing=st.builds(
                        snapshot.Pricing,
                        base=st.builds(snapshot.Prices, prompt=decimals, completion=st.none() | decimals),
                    ),
                ),
                max_size=2,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    routes=st.lists(st.builds(snapshot.Route, key=names, namespace=names, models=st.just(("m",)))).map(tuple),
)


@given(configs)
def test_a_config_survives_the_wire_and_keeps_its_hash(config: Config) -> None:
    frame = ConfigFrame(
        schema=SCHEMA, revision=REVISION, scope="gateway", router_class="default", content_hash="", config=config
    )
    decoded = snapshot.decode_frame(snapshot.encode(frame))
    assert decoded == frame
    assert isinstance(decoded, ConfigFrame)
    assert snapshot.content_hash(decoded.config) == snapshot.content_hash(config)


@given(configs, configs)
def test_hashes_are_equal_exactly_when_contents_are(one: Config, other: Config) -> None:
    assert (snapshot.content_hash(one) == snapshot.content_hash(other)) == (one == other)


@pytest.mark.parametrize(
    "frame",
    [
        EndpointsFrame(schema=SCHEMA, revision=REVISION, pools={"a/b": snapshot.PoolEndpoints()}),
        OverlayFrame(schema=SCHEMA, revision=REVISION, pools={}),
        SecretsFrame(schema=SCHEMA, revision=REVISION, values={"a": snapshot.SecretValue(version="1", value="k")}),
        Heartbeat(schema=SCHEMA, endpoints_confirmed=False),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_every_frame_survives_the_wire(frame: Frame) -> None:
    assert snapshot.decode_frame(snapshot.encode(frame)) == frame


@pytest.mark.parametrize(
    "message", [Hello(holds={"config": REVISION}), Ack(kind="config", revision=REVISION, error="x")]
)
def test_every_message_survives_the_wire(message: Hello | Ack) -> None:
    assert snapshot.decode_message(snapshot.encode(message)) == message


def test_fields_that_this_code_does_not_know_are_passed_over() -> None:
    assert snapshot.decode_frame(b'{"frame":"heartbeat","schema":1,"added_later":{"x":1}}') == Heartbeat(schema=1)


def test_a_newer_schema_is_refused_by_name_and_revision() -> None:
    data = msgspec.json.encode({"frame": "config", "schema": 9, "revision": REVISION, "shape": "unknown"})
    with pytest.raises(UnreadableFrame, match=r"schema 9 .* upgrade the router first") as caught:
        snapshot.decode_frame(data)
    assert (caught.value.kind, caught.value.revision) == ("config", REVISION)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{", b'{"frame":"surprise","schema":1}', b'{"schema":1}'])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFrame):
        snapshot.decode_frame(data)
    with pytest.raises(UnreadableFrame):
        snapshot.decode_message(data)


def test_a_malformed_frame_names_itself() -> None:
    data = msgspec.json.encode({"frame": "endpoints", "schema": 1, "revision": REVISION, "pools": 3})
    with pytest.raises(UnreadableFrame, match="malformed endpoints frame") as caught:
        snapshot.decode_frame(data)
    assert caught.value.kind == "endpoints"


@given(revisions, revisions)
def test_of_two_revisions_of_one_installation_at_most_one_is_newer(one: Revision, other: Revision) -> None:
    if one.installation == other.installation:
        assert [one.newer_than(other), other.newer_than(one), one == other].count(True) == 1
    else:
        assert one.newer_than(other)
        assert other.newer_than(one)


def test_a_secret_value_never_shows_itself() -> None:
    value = snapshot.SecretValue(version="5", value="sk-very-secret")
    assert "very" not in f"{value!r} {value} {[value]} {list(value.__rich_repr__())}"
