"""A small synchronous client of the Kubernetes API for tests: raw paths in, JSON objects out, errors with their Status.

Safe to use from several threads (asynchronous tests call it through `asyncio.to_thread` or `eventually`). It retries
nothing: a test wants to see what the server said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3

Object = dict[str, Any]
"""A Kubernetes object, or a list of them, as JSON has it."""

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

TIMEOUT = urllib3.Timeout(connect=5, read=30)


class ApiError(Exception):
    """The API server refused: HTTP `code`, and `reason`, `message` and `causes` of its Status object."""

    def __init__(self, method: str, path: str, code: int, status: Object) -> None:
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.message = str(status.get("message", ""))
        self.causes: list[Object] = (status.get("details") or {}).get("causes") or []
        super().__init__(f"{method} {path}: {code} {self.reason}: {self.message}")


class ApiClient:
    """One identity at one API server: a client certificate (`stem` of a .crt and .key pair) or a bearer token.

    Connection errors are urllib3's `HTTPError`.
    """

    def __init__(self, server: str, ca: Path, *, certificate: Path | None = None, token: str | None = None) -> None:
        self.server = server
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(
            maxsize=8,
            ca_certs=str(ca),
            cert_file=str(certificate.with_suffix(".crt")) if certificate else None,
            key_file=str(certificate.with_suffix(".key")) if certificate else None,
            timeout=TIMEOUT,
            retries=False,
        )

    def close(self) -> None:
        self._pool.clear()

    def raw(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The answer's body; `ApiError` for any status from 400 up."""
        answer = self._pool.request(
            method,
            self.server + path,
            fields=None if query is None or body is not None else dict(query),
            body=None if body is None else json.dumps(body).encode(),
            headers=self._headers | ({} if body is None else {"Content-Type": content_type}),
        )
        if answer.status >= 400:
            raise ApiError(method, path, answer.status, _status(answer.data))
        return answer.data

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        return _object(self.raw("GET", path, query=query))

    def find(self, path: str) -> Object | None:
        """The object, or None when there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str, query: Mapping[str, str] | None = None) -> list[Object]:
        found = self.get(path, query)["items"]
        return list(found)

    def create(self, path: str, body: Object) -> Object:
        return _object(self.raw("POST", path, body))

    def replace(self, path: str, body: Object) -> Object:
        return _object(self.raw("PUT", path, body))

    def merge(self, path: str, patch: Object) -> Object:
        """JSON merge patch: None deletes a key, lists are replaced whole."""
        return _object(self.raw("PATCH", path, patch, content_type=MERGE_PATCH))

    def apply(self, path: str, body: Object, manager: str = "test") -> Object:
        """Server-side apply; conflicts are taken over."""
        target = f"{path}?fieldManager={manager}&force=true"
        return _object(self.raw("PATCH", target, body, content_type=APPLY_PATCH))

    def delete(self, path: str) -> Object:
        return _object(self.raw("DELETE", path))


def _object(content: bytes) -> Object:
    decoded = json.loads(content)
    if not isinstance(decoded, dict):
        raise TypeError(f"the API server answered with {type(decoded).__name__}, not an object")
    return decoded


def _status(content: bytes) -> Object:
    try:
        return _object(content)
    except ValueError:
        return {"message": content[:500].decode(errors="replace")}
