"""The stream from the operator over real TLS: frames in force, acks and nacks, outages, rotation, last-known-good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tieline_api.snapshot import SCHEMA, Ack, Heartbeat, encode

from tests.support import frames
from tests.support.clock import VirtualClock
from tests.support.gateway import Gateway
from tests.support.operator_stub import OperatorStub
from tests.support.upstream import Upstream
from tests.support.waiting import eventually


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[OperatorStub]:
    async with OperatorStub(tmp_path) as operator:
        yield operator


def gateway_of(operator: OperatorStub, **settings: Any) -> Gateway:
    return Gateway(
        **{
            "operator_url": operator.url,
            "operator_ca_file": operator.ca_file,
            "token_file": operator.token_file,
            "reconnect_max_seconds": 0.2,
            **settings,
        }
    )


async def test_frames_come_into_force_and_are_acknowledged(operator: OperatorStub) -> None:
    async with Upstream() as upstream, gateway_of(operator, operator_server_name="tieline-operator") as gateway:
        router = await operator.connected()
        assert (router.token, router.hello.router_class, router.hello.holds) == ("token-1", "default", {})
        await router.send(frames.endpoints({"a": [upstream.address]}))
        await router.send(frames.config([frames.own_pool("a")], [frames.route("a")]))
        await router.send(Heartbeat(schema=SCHEMA))
        assert await router.ack() == Ack(kind="endpoints", revision=frames.revision())
        assert await router.ack() == Ack(kind="config", revision=frames.revision())
        assert (await gateway.chat()).status == 200
        assert "tieline_router_operator_connected 1.0" in await gateway.admin("/metrics")


async def test_a_frame_that_cannot_be_taken_is_nacked_and_the_old_stays(operator: OperatorStub) -> None:
    async with Upstream() as upstream, gateway_of(operator) as gateway:
        router = await operator.connected()
        await router.send(frames.endpoints({"a": [upstream.address]}))
        await router.send(frames.config([frames.own_pool("a")], [frames.route("a")]))
        assert (await router.ack()).error == (await router.ack()).error == ""

        await router.send(frames.config([], [frames.route("none")], revision=frames.revision(2)))
        nack = await router.ack()
        assert (nack.kind, nack.revision) == ("config", frames.revision(2))
        assert "contradicts itself: route default/chat names pools" in nack.error

        newer = encode(frames.config([], [], revision=frames.revision(3)))
        await router.send(newer.replace(b'"schema":1', b'"schema":7').decode())
        nack = await router.ack()
        assert (nack.kind, nack.revision) == ("config", frames.revision(3))
        assert "schema 7 is not one that this router reads (1)" in nack.error

        await router.send("{broken")
        nack = await router.ack()
        assert "not a snapshot frame" in nack.error

        await router.send(frames.config([], [], revision=frames.revision(0)))
        assert "older than" in (await router.ack()).error

        assert (await gateway.chat()).status == 200
        await router.send(frames.secrets(x="1"))
        assert await router.ack() == Ack(kind="secrets", revision=frames.revision()), "other frames go on"
        metrics = await gateway.admin("/metrics")
        assert 'tieline_router_snapshot_frames_total{frame="config",result="refused"} 3.0' in metrics


async def test_it_serves_while_the_operator_is_away_and_connects_again(
    operator: OperatorStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with Upstream() as upstream, gateway_of(operator) as gateway:
        router = await operator.connected()
        await router.send(frames.endpoints({"a": [upstream.address]}))
        await router.send(frames.config([frames.own_pool("a")], [frames.route("a")]))
        await router.ack()
        config_hash = frames.config([frames.own_pool("a")], [frames.route("a")]).content_hash
        await router.ack()

        await operator.stop()
        stream = gateway.router._stream
        assert stream is not None
        await eventually(lambda: stream.reconnects >= 3, "three tries")
        assert (await gateway.chat()).status == 200

        operator.token_file.write_text("token-2")
        operator.accepted = {"token-2"}
        await operator.start()  # with another certificate
        again = await operator.connected()
        assert again.token == "token-2"
        assert again.hello.holds == {"config": frames.revision(), "endpoints": frames.revision()}
        assert again.hello.config_hash == config_hash
        await again.send(frames.config([], [], revision=frames.revision(2)))
        assert (await again.ack()).error == ""
    away = [record for record in caplog.records if "is away" in record.getMessage()]
    back = [record for record in caplog.records if "is back" in record.getMessage()]
    assert (len(away), len(back)) == (1, 1)


@pytest.mark.parametrize("problem", ["token refused", "token missing", "unknown CA", "CA missing", "other name"])
async def test_what_keeps_it_out_is_told(
    operator: OperatorStub, tmp_path: Path, caplog: pytest.LogCaptureFixture, problem: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    settings: dict[str, Any] = {}
    words = {
        "token refused": "the operator answered 401",
        "token missing": "the service-account token cannot be read",
        "unknown CA": "CERTIFICATE_VERIFY_FAILED",
        "CA missing": "CA bundle",
        "other name": "Hostname mismatch",
    }[problem]
    match problem:
        case "token refused":
            operator.accepted = set()
        case "token missing":
            operator.token_file.unlink()
        case "unknown CA":
            settings["operator_ca_file"] = OperatorStub(other).ca_file
            async with OperatorStub(other):
                pass
        case "other name":
            settings["operator_server_name"] = "another-operator"
        case _:
            operator.ca_file.unlink()
    async with gateway_of(operator, **settings) as gateway:
        stream = gateway.router._stream
        assert stream is not None
        await eventually(lambda: stream.reconnects >= 2, "two tries")
        assert (await gateway.chat()).error["code"] == "not_ready"
    told = [record.getMessage() for record in caplog.records if "is away" in record.getMessage()]
    assert len(told) == 1
    assert words in told[0]
    assert "token-1" not in caplog.text


async def test_a_restart_without_the_operator_serves_what_was_last_known(
    operator: OperatorStub, tmp_path: Path
) -> None:
    key = tmp_path / "state-key"
    key.write_bytes(b"0123456789abcdef")
    files = {"state_file": tmp_path / "state", "state_key_file": key}
    async with Upstream() as own, Upstream() as bought:
        async with gateway_of(operator, **files):
            router = await operator.connected()
            await router.send(frames.secrets(b_key="sk-provider"))
            await router.send(frames.endpoints({"a": [own.address]}))
            pools = [frames.own_pool("a"), frames.external_pool("b", bought.base_url, [frames.model("acme/other")])]
            routes = [frames.route("a"), frames.route("b", name="other", models=["acme/other"])]
            await router.send(frames.config(pools, routes))
            for _ in range(3):
                assert (await router.ack()).error == ""
        await operator.stop()

        async with gateway_of(operator, **files) as restarted:
            assert (await restarted.chat()).status == 200
            assert (await restarted.chat(model="acme/other")).status == 200
            assert (await bought.seen()).headers["Authorization"] == "Bearer sk-provider"

        async with gateway_of(operator, state_file=files["state_file"]) as keyless:
            assert (await keyless.chat()).status == 200
            refused = await keyless.chat(model="acme/other")
            assert (refused.status, refused.error["code"]) == (503, "credentials_unavailable")
    assert b"sk-provider" not in (tmp_path / "state").read_bytes()


async def test_addresses_that_nobody_confirms_for_a_minute_give_way() -> None:
    clock = VirtualClock()
    async with Upstream() as pod, Upstream() as service, Gateway(clock) as gateway:
        await gateway.router.apply(frames.endpoints({"a": [pod.address]}, a=service.address))
        await gateway.router.apply(frames.config([frames.own_pool("a")], [frames.route("a")]))
        used = []
        for wait, heartbeat in ((59.0, None), (1.0, None), (0.0, Heartbeat(schema=SCHEMA)), (59.0, None)):
            clock.advance(wait)
            if heartbeat is not None:
                await gateway.router.apply(heartbeat)
            assert (await gateway.chat()).status == 200
            used.append((len(pod.completions), len(service.completions)))
    assert used == [(1, 0), (1, 1), (2, 1), (3, 1)]


async def test_addresses_of_a_file_give_way_to_the_services_address(tmp_path: Path) -> None:
    async with Upstream() as pod, Upstream() as service:
        state = tmp_path / "state"
        config = frames.config([frames.own_pool("a")], [frames.route("a")])
        endpoints = frames.endpoints({"a": [pod.address]}, a=service.address)
        state.write_bytes(encode(config) + b"\n" + encode(endpoints))
        async with Gateway(state_file=state) as gateway:
            assert (await gateway.chat()).status == 200
            assert (len(pod.completions), len(service.completions)) == (0, 1)
            assert (await gateway.admin("/admin/endpoints"))["stale"] is True
            await gateway.router.apply(frames.endpoints({"a": [pod.address]}, 2, a=service.address))
            assert (await gateway.chat()).status == 200
            assert (len(pod.completions), len(service.completions)) == (1, 1)
