"""How the operator reaches and proves itself to the API server: the pod's service account, or a kubeconfig file.

The `kubernetes` package reads the files (tokens, client certificates, exec plugins); nothing else of it is used. Both
`cluster` and kopf's login handler call `connect`, again and again, because tokens in pods are rotated.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config


class NoCredentials(Exception):
    """There is no way in: the message says which file is missing or wrong."""


@dataclass(frozen=True)
class Connection:
    """Address and proof. Equal connections need no new session."""

    server: str
    token: str | None = field(repr=False)
    ca: bytes | None = field(default=None, repr=False)
    """PEM bundle that signs the server's certificate; None = the system's."""
    certificate_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    proxy: str | None = None

    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=None if self.ca is None else self.ca.decode())
        if self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.key_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def connect(kubeconfig: Path | None) -> Connection:
    """Reads the credentials anew.

    Raises:
        NoCredentials: a file is missing or wrong.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            load_incluster_config(configuration, try_refresh_token=False)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), client_configuration=configuration, persist_config=False
            )
    except ConfigException as error:
        where = "this is not a pod of a cluster (give --kubeconfig)" if kubeconfig is None else str(kubeconfig)
        raise NoCredentials(f"no credentials for the API server: {where}: {error}") from None
    except OSError as error:
        raise NoCredentials(f"no credentials for the API server: {error}") from None
    authorization = configuration.api_key.get("BearerToken") or ""
    ca_file = configuration.ssl_ca_cert
    return Connection(
        server=configuration.host.rstrip("/"),
        token=authorization.split(" ")[-1].strip() or None,
        ca=_read(ca_file) if ca_file else None,
        certificate_file=configuration.cert_file,
        key_file=configuration.key_file,
        verify=configuration.verify_ssl,
        proxy=configuration.proxy,
    )


def _read(file: str) -> bytes:
    return Path(file).read_bytes()  # a small file on a memory file system, once a minute: no thread is worth it
