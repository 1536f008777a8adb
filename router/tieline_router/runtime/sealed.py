"""Secrets at rest: sealed with a mounted key (AES-256-GCM), or not stored at all. No files, no clock.

The key is derived from the bytes of the state key file with HKDF-SHA256, so any file of 16 bytes or more will do. What
is sealed is bound to its purpose: a sealed text of another kind does not open. Used by `state_file`.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_KEY_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"tieline router state v1"


class CannotOpen(Exception):
    """The text was sealed with another key, or was changed; or the key is too short to be one."""


class Seal:
    """Seals and opens with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise CannotOpen(f"the state key has {len(key)} bytes, and needs {MIN_KEY_BYTES} or more")
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key)
        self._cipher = AESGCM(derived)

    def seal(self, text: bytes) -> bytes:
        """Nonce and ciphertext. A nonce is random: at one write a second it repeats after ages."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text, _PURPOSE)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            CannotOpen: wrong key, or not what `seal` made.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _PURPOSE)
        except (InvalidTag, ValueError):
            raise CannotOpen("wrong state key, or the sealed text was changed") from None
