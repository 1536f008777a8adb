"""All that others can read of an installation, as bytes by place: where a secret must not stand. Used by the cluster
floor together with `canaries`."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import urllib3
from tieline_api.names import BOOTSTRAP_CONFIG_MAP_PREFIX, BOOTSTRAP_KEY

from tests.support.api_client import ApiClient
from tests.support.control_plane import ControlPlane
from tests.support.installation import Installation
from tests.support.pods import keys_of

MOUNTED_SECRETS = ("var/run/secrets", "etc/tieline/state-key")
"""What a kubelet would mount into a container: there a secret is at home."""

_http = urllib3.PoolManager(retries=False)


def api_objects(admin: ApiClient) -> dict[str, bytes]:
    """Every object of every kind but Secrets, as the API server gives them in lists."""
    found: dict[str, bytes] = {}
    for version in ["/api/v1", *_group_versions(admin)]:
        for resource in admin.get(version)["resources"]:
            name = resource["name"]
            if "list" in resource["verbs"] and "/" not in name and (version, name) != ("/api/v1", "secrets"):
                found[f"{version}/{name}"] = admin.raw("GET", f"{version}/{name}")
    return found


def _group_versions(admin: ApiClient) -> Iterator[str]:
    for group in admin.get("/apis")["groups"]:
        for version in group["versions"]:
            yield f"/apis/{version['groupVersion']}"


def bootstrap_copies(installation: Installation) -> dict[str, bytes]:
    """The configuration in ConfigMaps, unpacked."""
    path = f"/api/v1/namespaces/{installation.namespace}/configmaps"
    maps = {one["metadata"]["name"]: one for one in installation.plane.admin.items(path)}
    return {
        name: gzip.decompress(keys_of({"kind": "ConfigMap", **one})[BOOTSTRAP_KEY])
        for name, one in maps.items()
        if name.startswith(BOOTSTRAP_CONFIG_MAP_PREFIX)
    }


def ports(installation: Installation, *queries: str) -> dict[str, bytes]:
    """Metrics of all processes, and what the routers' admin ports tell; `queries` are asked of /admin/explain."""
    paths = ["/admin/snapshot", "/admin/endpoints", *(f"/admin/explain?{query}" for query in queries)]
    urls = [installation.operator.url("metrics") + "/metrics"]
    urls += [router.url("admin") + path for router in installation.routers for path in ["/metrics", *paths]]
    return {url: _http.request("GET", url).data for url in urls}


def files(installation: Installation) -> dict[str, bytes]:
    """All logs, and every file that a process keeps, the last-known-good configuration among them."""
    return {
        str(path.relative_to(installation.folder)): path.read_bytes()
        for path in sorted(installation.folder.rglob("*"))
        if path.is_file() and not _is_mounted(path.relative_to(installation.folder))
    }


def _is_mounted(path: Path) -> bool:
    inside = "/".join(path.parts[1:])  # the first part names the pod
    return inside.startswith(MOUNTED_SECRETS)


def api_server_logs(plane: ControlPlane, since: int) -> dict[str, bytes]:
    """The audit log from the mark on, and what the API server says of itself."""
    with (plane.folder / "audit.log").open("rb") as log:
        log.seek(since)
        audit = log.read()
    return {"audit.log": audit, "kube-apiserver.log": (plane.folder / "kube-apiserver.log").read_bytes()}
