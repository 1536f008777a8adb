"""No secret value stands in any object, log, Event, metric, answer or unsealed file, whatever happens to it."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from tieline_api.names import CERTIFICATE_SECRET, MODEL_ROUTE
from tieline_api.snapshot import Ack, ConfigFrame, Hello, SecretsFrame

from tests.support import exposure, replies
from tests.support.api_client import ApiClient, Object
from tests.support.canaries import find, forms, pem_lines
from tests.support.cluster_world import Tenant, bought_pool, consumer, route, secret
from tests.support.control_plane import ControlPlane
from tests.support.installation import NAMESPACE, Installation
from tests.support.kubectl import Kubectl
from tests.support.namespaces import fresh_namespace
from tests.support.openai_answers import CLOSE, Body, Raw, Reply, event, stream_head
from tests.support.pods import keys_of
from tests.support.snapshot_client import SnapshotClient
from tests.support.upstream import Upstream

pytestmark = pytest.mark.timeout(300)  # one installation for all tests of the file; machines may be busy
SEALED, UNSEALED = "default", "unsealed"
"""Two fleets: one has a state key, the other has none."""
VALUES: Object = {
    "operator": {"settings": {"logLevel": "debug", "allowInsecure": True, "allowPrivate": True}},
    "router": {"replicas": 1, "settings": {"logLevel": "debug", "drainDelaySeconds": 0}},
    "routers": {SEALED: {"state": {"keySecret": {"name": "state-key"}}}, UNSEALED: {}},
}
PROVIDER = "10.244.255.1"  # kwok does not get so far in a test


def new_secret(kind: str) -> str:
    """A value with the characters that JSON, URLs and base64 write in other ways."""
    return f"sk-{kind}/{secrets.token_urlsafe(24)}+{secrets.token_hex(4)}&={secrets.token_hex(4)}"


@dataclass
class Secrets:
    """All secret values of the scenario."""

    provider: str = field(default_factory=lambda: new_secret("provider"))
    rotated: str = field(default_factory=lambda: new_secret("rotated"))
    header: str = field(default_factory=lambda: new_secret("header"))
    consumer: str = field(default_factory=lambda: new_secret("consumer"))
    wrong: str = field(default_factory=lambda: new_secret("wrong"))
    two_lines: str = field(default_factory=lambda: new_secret("lines"))
    bad_bundle: str = field(default_factory=lambda: new_secret("bundle"))
    unlabelled: str = field(default_factory=lambda: new_secret("unlabelled"))
    state_key: str = field(default_factory=lambda: new_secret("state"))

    def stored(self) -> dict[str, frozenset[bytes]]:
        """Those that stand in Secrets, in every disguise."""
        return {name: forms(value.encode()) for name, value in vars(self).items() if name != "wrong"}

    def all(self, installation: Installation) -> dict[str, frozenset[bytes]]:
        """These, the keys that the operator made, and the tokens of the processes."""
        found = self.stored() | {"wrong": forms(self.wrong.encode())}
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{CERTIFICATE_SECRET}"
        for name, content in keys_of(installation.plane.admin.get(path)).items():
            if name.endswith(".key"):
                found |= {f"{name} line {number}": forms(line) for number, line in enumerate(pem_lines(content))}
        for token in installation.folder.glob("*/var/run/secrets/**/token"):
            pod = token.relative_to(installation.folder).parts[0]
            found[f"token of {pod}"] = forms(token.read_bytes().rpartition(b".")[2])
        return found


@dataclass
class Scene:
    """What the tests look at: who was told what."""

    installation: Installation
    tenant: Tenant
    secrets: Secrets
    since: int
    answers: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    canaries: dict[str, frozenset[bytes]] = field(default_factory=dict)
    places: dict[str, dict[str, bytes]] = field(default_factory=dict)
    secret_objects: bytes = b""


# -- the world ---------------------------------------------------------------------------------------------------------


def manifests(values: Secrets, url: str) -> list[Object]:
    connection = {
        "credentials": [{"name": "main", "type": "APIKey", "apiKey": {"secretRef": ref("provider-key", "apiKey")}}],
        "headers": [{"name": "X-Account", "secretRef": ref("provider-key", "account")}],
        "allowInsecure": True,
        "allowPrivate": True,
    }
    trusting = {**connection, "tls": {"caSecretRef": ref("provider-key", "bundle")}}
    # One pool for each failure, because breakers and cooled-down keys would keep the next one from happening.
    pools = ["bought", *(f"echo-{number}" for number in range(2 * len(echoes(values))))]
    return [
        secret("provider-key", apiKey=values.provider, account=values.header, bundle=values.bad_bundle),
        secret("lines", apiKey=f"{values.two_lines}\nsecond line"),
        secret("unlabelled", labelled=False, apiKey=values.unlabelled),
        secret("team-keys", main=values.consumer),
        consumer(),
        consumer("twin"),
        bought_pool("distrusted", url=url.replace("http:", "https:"), connection=trusting),
        bought_pool("lines", url=url, secret="lines"),
        bought_pool("unlabelled", url=url, secret="unlabelled"),
        route("distrusted", name="distrusted"),
        route("lines", "unlabelled", name="unresolved"),
        *(bought_pool(name, url=url, connection=connection) for name in pools),
        *(
            route(name, name=f"{fleet}-{name}", models=[name], routerClass=fleet, retries={"attempts": 1})
            for fleet in (SEALED, UNSEALED)
            for name in pools
        ),
    ]


def ref(name: str, key: str) -> Object:
    return {"name": name, "key": key}


def echoes(values: Secrets) -> list[Reply]:
    """Providers that quote our key in what they say."""
    words = f"wrong key: Bearer {values.provider} for account {values.header} "
    in_stream = event(json.dumps({"error": {"message": words, "code": 400}}).encode())
    return [
        replies.ok(),
        *(replies.error(status, words, "invalid_request_error", "invalid") for status in (400, 401, 403, 404, 422)),
        replies.error(429, words, "rate_limit", "rate_limit", {"Retry-After": "0"}),
        replies.error(500, words, "server_error", None, {"X-Echo": values.provider}),
        replies.error(400, "x" * 970 + words, "invalid_request_error"),
        replies.redirect(f"http://{PROVIDER}/?key={values.provider}"),
        lambda _: [stream_head(), Body(in_stream)],
        lambda _: [stream_head(), Body(b"data: " + words.encode() + b"\n\n")],
        lambda _: [Raw(words.encode()), CLOSE],
    ]


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane, admin: ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everything has happened, and all processes run."""
    values, since = Secrets(), control_plane.audit_position()
    admin.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    admin.create(f"/api/v1/namespaces/{NAMESPACE}/secrets", secret("state-key", key=values.state_key))
    folder = tmp_path_factory.mktemp("installation")
    with Installation(control_plane, folder, values=VALUES) as installation, fresh_namespace(admin) as name:
        tenant = Tenant(installation, Kubectl(control_plane.kubeconfig(), name), name, folder)
        scene = Scene(installation, tenant, values, since)
        asyncio.run(happen(scene))
        look_everywhere(scene)
        yield scene


def look_everywhere(scene: Scene) -> None:
    """Keeps what others can read, then ends all processes in order, so that their last words are read too."""
    installation, admin = scene.installation, scene.installation.plane.admin
    scene.canaries = scene.secrets.all(installation)
    scene.secret_objects = admin.raw("GET", "/api/v1/secrets")
    queries = [
        f"model=bought&namespace={scene.tenant.namespace}",
        f"model=bought&consumer={scene.tenant.namespace}/team",
    ]
    scene.places = {
        "objects": exposure.api_objects(admin),
        "bootstrap copies": exposure.bootstrap_copies(installation),
        "ports": exposure.ports(installation, *queries),
        "answers": scene.answers,
    }
    for process in [*installation.routers, installation.operator]:
        process.kill(signal.SIGTERM)
    scene.places |= {
        "files": exposure.files(installation),
        "logs of the API server": exposure.api_server_logs(installation.plane, scene.since),
    }


async def happen(scene: Scene) -> None:
    """Requests that succeed and fail, nacks, rotation, restarts and outages."""
    installation, tenant = scene.installation, scene.tenant
    connector = aiohttp.TCPConnector(force_close=True)  # routers are restarted in between
    async with Upstream(host=PROVIDER) as upstream, aiohttp.ClientSession(connector=connector) as session:
        objects = manifests(scene.secrets, upstream.base_url)
        routes = [one["metadata"]["name"] for one in objects if one["kind"] == MODEL_ROUTE]
        await asyncio.to_thread(tenant.apply, *objects)
        await asyncio.to_thread(tenant.wait_ready, *(name for name in routes if name != "unresolved"))
        await requests(scene, session, upstream)
        await refuse_frames(installation)
        await rotate(scene, session, upstream)
        installation.plane.kill("kube-apiserver")
        installation.plane.spawn("kube-apiserver")
        await asyncio.to_thread(installation.plane.wait_ready)
        installation.operator.kill()
        for router in installation.routers:
            router.restart(signal.SIGTERM)
        for fleet in (SEALED, UNSEALED):
            await ask(scene, session, "without operator", fleet)
        installation.operator.start()
        await asyncio.to_thread(tenant.wait_ready, f"{SEALED}-bought", f"{UNSEALED}-bought")


async def requests(scene: Scene, session: aiohttp.ClientSession, upstream: Upstream) -> None:
    """What providers do with our key, and callers with theirs."""
    for fleet in (SEALED, UNSEALED):
        await ask(scene, session, "good", fleet)
        for number, reply in enumerate(echoes(scene.secrets)):
            for stream in (False, True):
                upstream.script(reply)
                await ask(scene, session, f"echo {number}", fleet, f"echo-{2 * number + stream}", stream=stream)
    assert upstream.unused == 0, "every failure has happened"
    await ask(scene, session, "distrusted", SEALED, "distrusted")
    await ask(scene, session, "wrong key", SEALED, key=scene.secrets.wrong)
    seen = upstream.completions[0].headers
    assert (seen["Authorization"], seen["X-Account"]) == (f"Bearer {scene.secrets.provider}", scene.secrets.header)


async def ask(
    scene: Scene, session: aiohttp.ClientSession, what: str, fleet: str, model: str = "bought", **more: Any
) -> None:
    """One request, whose answer (headers and body) is kept. `more`: the caller's `key`, and whether to `stream`."""
    [router] = [one for one in scene.installation.routers if f"-{fleet}-" in one.name]
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": more.get("stream", False)}
    headers = {"Authorization": f"Bearer {more.get('key', scene.secrets.consumer)}"}
    async with session.post(f"{router.url('http')}/v1/chat/completions", json=body, headers=headers) as answer:
        title = f"{what} of {fleet}{' as a stream' if body['stream'] else ''}"
        scene.answers[title] = repr(answer.raw_headers).encode() + await answer.read()
        scene.statuses[title] = answer.status


async def rotate(scene: Scene, session: aiohttp.ClientSession, upstream: Upstream) -> None:
    """Returns when both routers have used the new key."""
    values = scene.secrets
    renewed = secret("provider-key", apiKey=values.rotated, account=values.header, bundle=values.bad_bundle)
    await asyncio.to_thread(scene.tenant.apply, renewed)
    for fleet in (SEALED, UNSEALED):
        async with asyncio.timeout(60):
            while True:
                await ask(scene, session, "rotation", fleet)
                if upstream.completions[-1].headers["Authorization"] == f"Bearer {values.rotated}":
                    break


async def refuse_frames(installation: Installation) -> None:
    """A router that takes nothing, and says so."""
    plane = installation.plane
    pod = installation.add_router(NAMESPACE, "tieline-router", "refuses")
    token = plane.token(NAMESPACE, "tieline-router", audiences=["tieline-operator"], pod=pod.name)
    bundle = plane.admin.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/tieline-operator-ca")
    url, name = f"https://{installation.operator.address}:9443", f"tieline-operator.{NAMESPACE}.svc"
    async with SnapshotClient(url, keys_of(bundle)["ca.crt"], name, token) as client:
        await client.open(Hello())
        newest = await client.until(lambda newest: {"config", "secrets"} <= newest.keys())
        for kind, frame in newest.items():
            if isinstance(frame, ConfigFrame | SecretsFrame):
                await client.send(Ack(kind=kind, revision=frame.revision, error="not for me"))


# -- what must hold ----------------------------------------------------------------------------------------------------


def test_everything_happened(scene: Scene) -> None:
    """The search below is worth something: secrets were used, refused, quoted, and logged about in detail."""
    statuses = scene.statuses
    assert {statuses[f"good of {fleet}"] for fleet in (SEALED, UNSEALED)} == {200}
    assert statuses[f"wrong key of {SEALED}"] == 401
    assert (statuses[f"without operator of {SEALED}"], statuses[f"without operator of {UNSEALED}"]) == (200, 503)
    assert b"wrong key" in scene.answers[f"echo 1 of {SEALED}"], "a provider's words reach the caller"
    assert b"credentials_unavailable" in scene.answers[f"without operator of {UNSEALED}"]
    logs = [content for name, content in scene.places["files"].items() if name.endswith(".log")]
    assert b"not for me" in b"".join(logs)
    assert sum(b'"level":"debug"' in log.replace(b" ", b"") for log in logs) >= 2
    states = {name: content for name, content in scene.places["files"].items() if name.endswith("snapshot.json")}
    sealed = {f"-{SEALED}-" in name: b'"frame":"sealed"' in content for name, content in states.items()}
    assert sealed == {True: True, False: False}


def test_the_search_finds_secrets_where_they_belong(scene: Scene) -> None:
    for name, sought in scene.secrets.stored().items():
        if name != "provider":  # it was replaced
            assert find({name: sought}, {"Secrets": scene.secret_objects}), name
    keys = {name for name in scene.canaries if " line " in name}
    assert {"tls.key", "ca.key"} <= {name.partition(" ")[0] for name in keys}
    assert sum(name.startswith("token of") for name in scene.canaries) >= 3


@pytest.mark.parametrize(
    "group", ["objects", "bootstrap copies", "ports", "answers", "files", "logs of the API server"]
)
def test_no_secret_stands_where_others_can_read(scene: Scene, group: str) -> None:
    places = scene.places[group]
    assert all(places.values()), f"nothing to look at: {[name for name, content in places.items() if not content]}"
    assert find(scene.canaries, places) == []
