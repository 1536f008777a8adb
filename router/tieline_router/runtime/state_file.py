"""Configuration in files: the last-known-good state that the router writes, and the bootstrap copy that is mounted.

Both are snapshot frames as JSON lines (the bootstrap copy gzipped), plus, in the state file alone, one line with the
sealed secrets. A line that cannot be read costs that line only and is reported; a file never stops the router.
Blocking: called in a thread. Used by `snapshots`.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from tieline_api.snapshot import (
    MAX_FRAME_BYTES,
    ConfigFrame,
    EndpointsFrame,
    SecretsFrame,
    UnreadableFrame,
    decode_frame,
    encode,
)

from tieline_router.runtime.sealed import CannotOpen, Seal

MAX_FILE_BYTES: Final = 2 * MAX_FRAME_BYTES
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31


class Saved(NamedTuple):
    """What a file held, and what was wrong with the rest."""

    config: ConfigFrame | None = None
    endpoints: EndpointsFrame | None = None
    secrets: SecretsFrame | None = None
    problems: tuple[str, ...] = ()


class _SealedLine(msgspec.Struct, tag_field="frame", tag="sealed"):
    sealed: bytes


_sealed_decoder = msgspec.json.Decoder(_SealedLine)


def read_seal(key_file: Path | None) -> Seal | None:
    """The seal of the mounted key; None when no key is configured.

    Raises:
        CannotOpen: the key cannot be read or is too short.
    """
    if key_file is None:
        return None
    try:
        return Seal(key_file.read_bytes().strip())
    except OSError as error:
        raise CannotOpen(f"the state key cannot be read: {error}") from None


def load(path: Path | None, seal: Seal | None) -> Saved:
    """Reads a state file or a bootstrap copy; an absent file is an empty one."""
    if path is None:
        return Saved()
    try:
        data = _read_bounded(path)
    except FileNotFoundError:
        return Saved()
    except (OSError, ValueError, zlib.error) as error:
        return Saved(problems=(f"{path}: cannot be read: {error}",))
    saved = Saved()
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            saved = _take_line(saved, line, seal, f"{path}:{number}")
    return saved


def save(path: Path, saved: Saved, seal: Seal | None) -> None:
    """Replaces the file in one step: a crash leaves the old one or the new one, never a part.

    Raises:
        OSError: the file cannot be written.
    """
    lines = [encode(frame) for frame in (saved.config, saved.endpoints) if frame is not None]
    if saved.secrets is not None and seal is not None:
        lines.append(msgspec.json.encode(_SealedLine(seal.seal(encode(saved.secrets)))))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"\n".join(lines) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if data.startswith(_GZIP_MAGIC):
        inflater = zlib.decompressobj(_GZIP_WINDOW)
        data = inflater.decompress(data, MAX_FILE_BYTES + 1)
        if not inflater.eof and len(data) <= MAX_FILE_BYTES:
            raise ValueError("the gzip data ends in the middle")
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it is longer than {MAX_FILE_BYTES} bytes")
    return data


def _take_line(saved: Saved, line: bytes, seal: Seal | None, where: str) -> Saved:
    try:
        text, sealed = _unsealed(line, seal)
        frame = decode_frame(text)
    except (UnreadableFrame, CannotOpen) as error:
        return saved._replace(problems=(*saved.problems, f"{where}: {error}"))
    match frame:
        case ConfigFrame():
            return saved._replace(config=frame)
        case EndpointsFrame():
            return saved._replace(endpoints=frame)
        case SecretsFrame() if sealed:
            return saved._replace(secrets=frame)
        case _:
            return saved._replace(problems=(*saved.problems, f"{where}: a frame that does not belong into a file"))


def _unsealed(line: bytes, seal: Seal | None) -> tuple[bytes, bool]:
    try:
        sealed = _sealed_decoder.decode(line)
    except msgspec.DecodeError:
        return line, False
    if seal is None:
        raise CannotOpen("secrets are sealed here, and there is no state key to open them")
    return seal.open(sealed.sealed), True
