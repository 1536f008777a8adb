"""Our secrets out of a provider's words, before they reach a client or a log. Pure. Used by `relay`.

Providers quote the key that they refuse, whole, cut or encoded. So not only the secret itself is looked for, but every
stretch of `SIGN` characters or more that it shares with the text, in the encodings in which a header may come back.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

SIGN: Final = 8
"""Characters in common that count as a part of a secret; a shorter secret is found whole only."""
REDACTED: Final = "[redacted]"


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` with every part of the secrets replaced by `[redacted]`; case does not matter."""
    forms = [form for secret in secrets if secret for form in _forms(secret)]
    folded = _folded(text)
    hidden = bytearray(len(text))
    for form in forms:
        size = min(SIGN, len(form))
        signs = {form[start : start + size] for start in range(len(form) - size + 1)}
        for start in range(len(folded) - size + 1):
            if folded[start : start + size] in signs:
                hidden[start : start + size] = b"\1" * size
    if not any(hidden):
        return text
    parts: list[str] = []
    for character, hide in zip(text, hidden, strict=True):
        if not hide:
            parts.append(character)
        elif not parts or parts[-1] is not REDACTED:
            parts.append(REDACTED)
    return "".join(parts)


def _folded(text: str) -> str:
    """Lower case, character by character: positions stay."""
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def _forms(secret: str) -> set[str]:
    """The secret as it is, escaped for URLs, and in Base64 at each of the three offsets at which it may begin."""
    raw = secret.encode()
    forms = {secret, quote(secret, safe="")}
    for offset in range(3):
        # Characters that also depend on a neighbour, at either end, tell nothing of the secret.
        text = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        inner = text[(0, 2, 3)[offset] : len(text) - (1 if (offset + len(raw)) % 3 else 0)]
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {_folded(form) for form in forms if len(form) >= min(SIGN, len(secret))}
