"""Every call to the API server but kopf's watches: this file owns them. Raw JSON in and out, no judgement.

README.md lists the calls by verb and kind; the chart grants exactly those. What does not reach the server counts
towards an outage and raises `Unavailable`; 401, 429 and 5xx are the call's own trouble and raise `Unserved`; anything
else that is no success raises `ApiError`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec
from tieline_api.names import FIELD_MANAGER

from tieline_operator.credentials import Connection, NoCredentials
from tieline_operator.errors import ApiError, Conflict, Forbidden, NotFound, Unavailable, Unserved
from tieline_operator.outage import Outage
from tieline_operator.resources import ENDPOINT_SLICES, TOKEN_REVIEWS, Body, Resource

logger = logging.getLogger(__name__)

CHUNK: Final = 500
"""Objects per page of a LIST."""
CALL_SECONDS: Final = 15.0
CREDENTIALS_SECONDS: Final = 60.0
"""Tokens are re-read after this time; kubelet rotates them in place."""
MAX_RETRY_AFTER_SECONDS: Final = 60.0
"""A server that asks for a longer pause is asked again after this."""
_ERRORS: Final = {404: NotFound, 409: Conflict, 403: Forbidden}
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Cluster:
    """The API server as the operator uses it. One session, re-made when credentials change.

    Args:
        connect: reads the credentials (see `credentials.connect`).
        outage: told how every call ended.
        clock: monotonic seconds.
        counted: called as (verb, plural, outcome) after every call, for metrics.
        recovered: called when an outage has ended.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        outage: Outage,
        clock: Callable[[], float],
        counted: Callable[[str, str, str], None] = lambda *_: None,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        self.outage = outage
        self._connect = connect
        self._clock = clock
        self._counted = counted
        self._recovered = recovered
        self._connection: Connection | None = None
        self._session: aiohttp.ClientSession | None = None
        self._read_at = 0.0
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    # -- calls, one method a verb ------------------------------------------------------------------------------------

    async def list(self, resource: Resource, namespace: str | None = None) -> list[Body]:
        """All objects of a kind (verb list), page by page; `kind` and `apiVersion` are filled in.

        Raises:
            ApiError: refused (404: the kind does not exist). Unavailable: not reached.
        """
        try:
            return [body async for body in self._pages(resource, namespace, CHUNK)]
        except ApiError as error:
            if error.status != 410:
                raise
            # The pages' version is gone from the server's history: one page then, however long.
            return [body async for body in self._pages(resource, namespace, None)]

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Body | None:
        """One object (verb get), or None."""
        try:
            return await self._call("get", resource, "GET", resource.path(namespace, name))
        except NotFound:
            return None

    async def get_metadata(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """An object's metadata alone (verb get), or None. For Secrets whose values must not be read."""
        try:
            return await self._call("get", resource, "GET", resource.path(namespace, name), accept=_METADATA_ONLY)
        except NotFound:
            return None

    async def create(self, resource: Resource, namespace: str | None, body: Body) -> Body:
        """A new object (verb create). Raises Conflict when it exists."""
        return await self._call("create", resource, "POST", resource.path(namespace), body)

    async def replace(self, resource: Resource, body: Body) -> Body:
        """A whole object (verb update). Raises Conflict when its resourceVersion is not the newest."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return await self._call("update", resource, "PUT", path, body)

    async def apply_status(self, resource: Resource, body: Body, status: Mapping[str, Any]) -> Body:
        """The whole status by server-side apply (verb patch on the subresource), forced: nobody else writes it.

        The uid is part of the request, so an object that was deleted and made anew meanwhile gives Conflict.
        """
        metadata = body["metadata"]
        applied = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "status": status,
        }
        path = resource.path(metadata["namespace"], metadata["name"], "status")
        return await self._call(
            "patch",
            resource,
            "PATCH",
            path,
            applied,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type="application/apply-patch+yaml",
        )

    async def review_token(self, token: str, audience: str) -> Mapping[str, Any]:
        """The status of a TokenReview (verb create): who the bearer is, if anybody."""
        body = {
            "apiVersion": TOKEN_REVIEWS.api_version,
            "kind": TOKEN_REVIEWS.kind,
            "spec": {"token": token, "audiences": [audience]},
        }
        answer = await self._call("create", TOKEN_REVIEWS, "POST", TOKEN_REVIEWS.path(), body)
        status: Mapping[str, Any] = answer.get("status", {})
        return status

    async def probe(self, namespace: str | None) -> None:
        """The cheapest LIST that proves that endpoints could be read. Raises as `list` does."""
        path = ENDPOINT_SLICES.path(namespace)
        try:
            await self._call("list", ENDPOINT_SLICES, "GET", path, params={"limit": "1"}, probe=True)
        except Unserved as error:
            line = self.outage.probe_failed(self._clock(), str(error))
            if line is not None:
                logger.warning(line)
            raise

    # -- one way for all -----------------------------------------------------------------------------------------------

    async def _pages(self, resource: Resource, namespace: str | None, limit: int | None) -> AsyncIterator[Body]:
        params = {"labelSelector": resource.selector} if resource.selector else {}
        if limit is not None:
            params["limit"] = str(limit)
        while True:
            page = await self._call("list", resource, "GET", resource.path(namespace), params=params)
            for body in page.get("items") or ():
                yield {**body, "kind": resource.kind, "apiVersion": resource.api_version}
            token = page.get("metadata", {}).get("continue")
            if not token:
                return
            params["continue"] = token

    async def _call(
        self,
        verb: str,
        resource: Resource,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        probe: bool = False,
    ) -> Body:
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = msgspec.json.encode(body)
        try:
            status, answer, wait = await self._send(method, path, data, headers, params)
        except (aiohttp.ClientError, TimeoutError, OSError, _Unproven) as error:
            self._counted(verb, resource.plural, "unreachable")
            raise self._away(str(error) or type(error).__name__) from None
        decoded = _object(answer) if status < 300 else None
        if status < 400 and decoded is None:
            self._counted(verb, resource.plural, "unreadable")
            raise Unserved(
                status,
                f"{verb} {resource.title}: {status} with what is no JSON object: something between the operator and "
                "the API server answers in its place; look at proxies and at the server's address",
            )
        self._counted(verb, resource.plural, "ok" if decoded is not None else str(status))
        if status >= 500 or status in {401, 429}:
            message = f"API server: {verb} {resource.title}: {status}: {_message(answer, 'no explanation')}"
            raise Unserved(status, message, wait)
        self._reached(probe=probe)
        if decoded is None:
            raise _refusal(status, answer, verb, resource)
        return decoded

    async def _send(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], params: Mapping[str, str] | None
    ) -> tuple[int, bytes, float]:
        """Status, body, and the seconds of Retry-After."""
        answer = await self._send_once(method, path, data, headers, params, renew=False)
        if answer[0] == 401:  # the token may have been rotated since it was read
            answer = await self._send_once(method, path, data, headers, params, renew=True)
        return answer

    async def _send_once(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None,
        *,
        renew: bool,
    ) -> tuple[int, bytes, float]:
        session, connection = await self._open(renew=renew)
        proof = {"Authorization": f"Bearer {connection.token}"} if connection.token else {}
        async with session.request(
            method,
            connection.server + path,
            data=data,
            headers={**headers, **proof},
            params=params,
            proxy=connection.proxy,
            allow_redirects=False,
        ) as response:
            return response.status, await response.read(), _retry_after(response.headers.get("Retry-After"))

    async def _open(self, *, renew: bool) -> tuple[aiohttp.ClientSession, Connection]:
        async with self._renewing:
            stale = self._clock() - self._read_at > CREDENTIALS_SECONDS
            if self._connection is None or self._session is None or stale or renew:
                connection = await self._read_credentials(renew=renew)
                self._read_at = self._clock()
                known = self._connection
                if self._session is None or known is None or _trust(known) != _trust(connection):
                    if self._session is not None:
                        await self._session.close()
                    self._session = aiohttp.ClientSession(
                        connector=aiohttp.TCPConnector(ssl=connection.ssl_context(), limit=32),
                        timeout=aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=5),
                        headers={"User-Agent": FIELD_MANAGER},
                    )
                self._connection = connection
            return self._session, self._connection

    async def _read_credentials(self, *, renew: bool) -> Connection:
        """Fresh credentials; those at hand when they cannot be read just now. Raises NoCredentials at the first use,
        which ends the process: it never had a way in."""
        try:
            return await self._connect()
        except (NoCredentials, ValueError, OSError) as error:
            if self._connection is None:
                raise
            if renew:
                raise _Unproven(str(error)) from None
            logger.debug("credentials not read anew: %s", error)
            return self._connection

    def _reached(self, *, probe: bool) -> None:
        line = self.outage.succeeded(self._clock(), probe=probe)
        if line is not None:
            logger.info(line)
            self._recovered()

    def _away(self, why: str) -> Unavailable:
        line = self.outage.failed(self._clock(), why)
        if line is not None:
            logger.warning(line)
        return Unavailable(f"API server: {why}")


class _Unproven(Exception):
    """The credentials were rejected and cannot be read anew."""


def _object(answer: bytes) -> Body | None:
    """A JSON object, or None."""
    try:
        decoded = msgspec.json.decode(answer)
    except (msgspec.DecodeError, ValueError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _retry_after(header: str | None) -> float:
    """Seconds of a Retry-After header, at most a minute; 0 without one. The API server writes seconds, never a date."""
    return min(float(header), MAX_RETRY_AFTER_SECONDS) if header and header.isdecimal() else 0.0


def _trust(connection: Connection) -> tuple[object, ...]:
    """What a session is bound to; a new token alone needs none."""
    return connection.ca, connection.certificate_file, connection.key_file, connection.verify


def _message(answer: bytes, otherwise: str) -> str:
    status = _object(answer)
    if status is None:
        return answer[:200].decode(errors="replace") or otherwise
    return str(status.get("message") or otherwise)


def _refusal(status: int, answer: bytes, verb: str, resource: Resource) -> ApiError:
    message = _message(answer, f"{verb} {resource.title}: HTTP {status}")
    if status == 403:
        message = f"{message}. Grant it: the chart's Roles have verb {verb} on {resource.title}."
    reason = str((_object(answer) or {}).get("reason", ""))
    return _ERRORS.get(status, ApiError)(status, reason, message)
