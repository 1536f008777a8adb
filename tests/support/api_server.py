"""The HTTP face of `ApiObjects`: what kopf and the operator's client ask of an API server, and its ways to fail.

Discovery, LIST in pages, WATCH with bookmarks and 410, server-side apply of statuses, TokenReview. `failing` answers
everything with one status; `close` and `open` are an outage of the socket; `cut` breaks all watches; `forget_history`
makes every watch start with 410. `requests` has every request as (verb, plural, namespace).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web
from tieline_operator.errors import ApiError
from tieline_operator.resources import (
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    TOKEN_REVIEWS,
    WATCHED,
    Resource,
)

from tests.support.api_objects import ApiObjects, Object

RESOURCES: Final = (*WATCHED, CONFIG_MAPS, LEASES, EVENTS, TOKEN_REVIEWS)
TOKEN: Final = "token-of-the-operator"


class ApiServer:
    """`async with ApiServer() as server`. It listens on loopback at a port of its own and keeps it over outages."""

    def __init__(self, objects: ApiObjects | None = None) -> None:
        self.objects = objects or ApiObjects()
        self.tokens = {TOKEN}
        self.reviews: dict[str, Mapping[str, Any]] = {}
        """Status of a TokenReview by token; an unknown token is not authenticated."""
        self.failing: int | None = None
        self.refusals = 0
        """Requests that `failing` answered."""
        self.missing: set[str] = set()
        """Kinds (plural) that do not exist."""
        self.forbidden: set[tuple[str, str]] = set()
        """(verb, plural) that are refused with 403."""
        self.requests: list[tuple[str, str, str]] = []
        self.port = 0
        self.watch_error: int | None = None
        """Code of an ERROR that every watch gets."""
        self.page_of_410 = False
        """The second page of every LIST is gone."""
        self._runner: web.AppRunner | None = None
        self._watches: set[asyncio.Task[Any]] = set()
        self._compacted = 0
        self._changed = asyncio.Condition()
        self._wakes: set[asyncio.Task[None]] = set()
        self.objects.changed.append(self._wake)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kubeconfig(self, folder: Path, token: str = TOKEN) -> Path:
        file = folder / f"{token}.kubeconfig"
        file.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [{"name": "test", "cluster": {"server": self.url}}],
                    "users": [{"name": "test", "user": {"token": token}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                }
            )
        )
        return file

    # -- ways to fail --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Nobody listens any more, and all connections are gone."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> None:
        for watch in list(self._watches):
            watch.cancel()

    def forget_history(self) -> None:
        """Watches that are cut and come back get 410: they must list anew."""
        self._compacted = self.objects.version
        self.cut()

    def asked(self, verb: str, plural: str) -> int:
        return sum(request[:2] == (verb, plural) for request in self.requests)

    # -- requests ------------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.failing is not None:
            self.refusals += 1
            return _status(self.failing, "InternalError", "failing on purpose")
        if token not in self.tokens:
            return _status(401, "Unauthorized", "Unauthorized")
        try:
            return await self._answer(request)
        except ApiError as error:
            return _status(error.status, error.reason, str(error))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        discovery = self._discovery(parts)
        if discovery is not None:
            return web.json_response(discovery)
        resource, namespace, rest = self._resource(parts)
        name, subresource = (*rest, "", "")[:2]
        verb = self._verb(request, name)
        self.requests.append((verb, resource.plural, namespace or ""))
        if (verb, resource.plural) in self.forbidden:
            return _status(403, "Forbidden", f'User "test" cannot {verb} resource "{resource.plural}"')
        match verb:
            case "watch":
                return await self._watch(request, resource, namespace)
            case "list":
                return web.json_response(self._list(request, resource, namespace))
            case "get":
                body = self.objects.get(resource.plural, namespace or "", name)
                metadata_only = "PartialObjectMetadata" in request.headers.get("Accept", "")
                return web.json_response({"metadata": body["metadata"]} if metadata_only else body)
            case "create":
                return web.json_response(self._create(resource, namespace, await request.json()), status=201)
            case "update":
                return web.json_response(self.objects.replace(resource.plural, await request.json()))
            case _:
                return web.json_response(await self._apply(request, resource, namespace or "", name, subresource))

    @staticmethod
    def _verb(request: web.Request, name: str) -> str:
        if request.method == "GET":
            return "get" if name else "watch" if request.query.get("watch") == "true" else "list"
        return {"POST": "create", "PUT": "update", "PATCH": "patch"}[request.method]

    def _create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        if resource is TOKEN_REVIEWS:
            return {**body, "status": self.reviews.get(body["spec"]["token"], {"authenticated": False})}
        return self.objects.create(resource.plural, namespace or "", body)

    async def _apply(
        self, request: web.Request, resource: Resource, namespace: str, name: str, subresource: str
    ) -> Object:
        applied = subresource == "status" and request.content_type == "application/apply-patch+yaml"
        if not applied or not request.query.get("fieldManager"):
            raise ApiError(400, "BadRequest", "only statuses are patched, by server-side apply")
        body = json.loads(await request.read())
        metadata = body["metadata"]
        return self.objects.apply_status(resource.plural, namespace, name, metadata["uid"], body["status"])

    def _list(self, request: web.Request, resource: Resource, namespace: str | None) -> Object:
        items = self.objects.items(resource.plural, namespace, request.query.get("labelSelector", ""))
        begin = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "0")) or len(items)
        if begin and self.page_of_410:
            raise ApiError(410, "Expired", "the continue token is too old")
        rest = str(begin + limit) if begin + limit < len(items) else ""
        for item in items:
            item.pop("kind", None)
            item.pop("apiVersion", None)
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": str(self.objects.version), "continue": rest},
            "items": items[begin : begin + limit],
        }

    async def _watch(self, request: web.Request, resource: Resource, namespace: str | None) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        try:
            async for line in self._events(request, resource, namespace):
                await response.write(json.dumps(line).encode() + b"\n")
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._watches.discard(task)
        return response

    async def _events(
        self, request: web.Request, resource: Resource, namespace: str | None
    ) -> AsyncIterator[Mapping[str, Any]]:
        seen = int(request.query.get("resourceVersion", "0"))
        label, _, value = request.query.get("labelSelector", "").partition("=")
        code = 410 if seen < self._compacted else self.watch_error
        if code is not None:
            yield {"type": "ERROR", "object": {"kind": "Status", "code": code, "reason": "OnPurpose"}}
            return
        while True:
            for event in self.objects.history:
                body = event.body
                labelled = not label or (body["metadata"].get("labels") or {}).get(label) == value
                here = namespace in {None, body["metadata"].get("namespace")}
                if event.version > seen and event.plural == resource.plural and labelled and here:
                    yield {"type": event.type, "object": body}
            seen = self.objects.version
            async with self._changed:
                await self._changed.wait_for(lambda: self.objects.version > seen)  # noqa: B023 - awaited at once

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # objects made before any loop runs
            wake = asyncio.get_running_loop().create_task(self._notify())
            self._wakes.add(wake)
            wake.add_done_callback(self._wakes.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # -- addresses -----------------------------------------------------------------------------------------------------

    def _discovery(self, parts: list[str]) -> Object | None:
        groups = {resource.group: resource.version for resource in RESOURCES if resource.group}
        match parts:
            case ["api"]:
                return {"versions": ["v1"]}
            case ["apis"]:
                versions = {
                    name: {"groupVersion": f"{name}/{version}", "version": version} for name, version in groups.items()
                }
                return {
                    "groups": [
                        {"name": name, "versions": [one], "preferredVersion": one} for name, one in versions.items()
                    ]
                }
            case ["api", "v1"]:
                return self._kinds("")
            case ["apis", group, _]:
                return self._kinds(group)
            case _:
                return None

    def _kinds(self, group: str) -> Object:
        return {
            "resources": [
                {
                    "name": resource.plural,
                    "singularName": resource.kind.lower(),
                    "kind": resource.kind,
                    "namespaced": resource.namespaced,
                    "verbs": ["get", "list", "watch", "patch"],
                }
                for resource in RESOURCES
                if resource.group == group and resource.plural not in self.missing
            ]
        }

    def _resource(self, parts: list[str]) -> tuple[Resource, str | None, list[str]]:
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        namespace = None
        if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] != "status":
            namespace, rest = rest[1], rest[2:]
        for resource in RESOURCES:
            if (resource.group, resource.plural) == (group, rest[0]) and resource.plural not in self.missing:
                return resource, namespace, rest[1:]
        raise ApiError(404, "NotFound", "the server could not find the requested resource")


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "reason": reason, "message": message}, status=code)
