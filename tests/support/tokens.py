"""Service-account tokens as nobody should accept them. Used by the cluster floor."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.control_plane import ControlPlane


def expired(plane: ControlPlane, token: str) -> str:
    """The same token, signed by the control plane's key as it was issued and over a day ago."""
    header, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims |= {name: claims[name] - 86400 for name in ("iat", "nbf", "exp")}
    signed = f"{header}.{_encoded(json.dumps(claims).encode())}"
    key = serialization.load_pem_private_key((plane.folder / "sa.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
