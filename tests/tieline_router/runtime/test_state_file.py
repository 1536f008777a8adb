import gzip
import os
from pathlib import Path

import pytest
from tieline_api.snapshot import encode
from tieline_router.runtime.sealed import CannotOpen, Seal
from tieline_router.runtime.state_file import Saved, load, read_seal, save

from tests.support import frames

SEAL = Seal(b"0123456789abcdef")
SAVED = Saved(
    frames.config([frames.own_pool("a")], [frames.route("a")]),
    frames.endpoints({"a": ["10.0.0.1:8000"]}),
    frames.secrets(b_key="sk-very-secret"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.jsonl"


def test_what_was_saved_loads(path: Path) -> None:
    save(path, SAVED, SEAL)
    assert load(path, SEAL) == SAVED
    assert b"sk-very-secret" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_key_secrets_are_not_stored(path: Path) -> None:
    save(path, SAVED, None)
    assert load(path, SEAL) == SAVED._replace(secrets=None)
    assert b"b-key" not in path.read_bytes()


def test_with_the_wrong_key_the_rest_still_loads(path: Path) -> None:
    save(path, SAVED, SEAL)
    for seal, words in ((Seal(b"another key of 16 bytes"), "wrong state key"), (None, "no state key")):
        loaded = load(path, seal)
        assert loaded._replace(problems=()) == SAVED._replace(secrets=None)
        assert len(loaded.problems) == 1
        assert words in loaded.problems[0]
        assert f"{path}:3" in loaded.problems[0]


def test_a_broken_line_costs_that_line_only(path: Path) -> None:
    save(path, SAVED, SEAL)
    lines = path.read_bytes().splitlines()
    lines[0] = lines[0][:100]
    path.write_bytes(b"\n".join(lines))
    loaded = load(path, SEAL)
    assert (loaded.config, loaded.endpoints, loaded.secrets) == (None, SAVED.endpoints, SAVED.secrets)
    assert f"{path}:1: not a snapshot frame" in loaded.problems[0]


def test_a_newer_schema_is_refused_by_name(path: Path) -> None:
    assert SAVED.config is not None
    path.write_bytes(encode(SAVED.config).replace(b'"schema":1', b'"schema":99'))
    loaded = load(path, None)
    assert loaded.config is None
    assert "schema 99" in loaded.problems[0]


def test_secrets_in_the_clear_are_not_taken(path: Path) -> None:
    assert SAVED.secrets is not None
    path.write_bytes(encode(SAVED.secrets))
    loaded = load(path, SEAL)
    assert loaded.secrets is None
    assert "does not belong" in loaded.problems[0]
    assert "sk-very-secret" not in loaded.problems[0]


def test_an_absent_file_is_empty(path: Path) -> None:
    assert load(path, None) == load(None, None) == Saved()


def test_a_gzipped_copy_loads_and_a_cut_one_is_a_problem(path: Path) -> None:
    assert SAVED.config is not None
    assert SAVED.endpoints is not None
    data = gzip.compress(encode(SAVED.config) + b"\n" + encode(SAVED.endpoints))
    path.write_bytes(data)
    assert load(path, None) == SAVED._replace(secrets=None)
    path.write_bytes(data[:-20])
    assert "ends in the middle" in load(path, None).problems[0]


def test_a_bomb_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieline_router.runtime.state_file.MAX_FILE_BYTES", 10_000)
    path.write_bytes(gzip.compress(b" " * 1_000_000))
    assert "longer than 10000 bytes" in load(path, None).problems[0]


def test_a_file_that_cannot_be_read_is_a_problem(path: Path) -> None:
    path.mkdir()
    assert "cannot be read" in load(path, None).problems[0]


def test_a_failed_write_leaves_the_old_file_and_no_rest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, SAVED, None)
    before = path.read_bytes()

    def broken(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        save(path, SAVED._replace(endpoints=None), None)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_key_file_that_is_missing_or_short_is_named(tmp_path: Path) -> None:
    assert read_seal(None) is None
    with pytest.raises(CannotOpen, match="cannot be read"):
        read_seal(tmp_path / "absent")
    short = tmp_path / "short"
    short.write_bytes(b"abc\n")
    with pytest.raises(CannotOpen, match="has 3 bytes"):
        read_seal(short)
