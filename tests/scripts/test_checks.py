"""A check that finds nothing wrong when something is wrong is worse than none."""

import pytest

from scripts import checks, lock


def test_a_program_that_fails_gives_what_it_said() -> None:
    assert "No module named nothing_of_this_name" in checks.run(["-m", "nothing_of_this_name"])
    assert checks.run(["-m", "this", "--unused"]) == ""


def test_missing_crds_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CRD_FOLDERS", (checks.ROOT / "requirements",))
    problem = checks.generated_crds()
    assert "make crds" in problem
    assert "requirements/tieline.dev_modelroutes.yaml" in problem


def test_lock_files_that_disagree_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "disagreements", lambda: ["aiohttp is 1 in router.txt and 2 in dev.txt"])
    assert checks.lock_files().splitlines() == ["aiohttp is 1 in router.txt and 2 in dev.txt", "run `make lock`"]


def test_the_lock_files_of_this_tree_agree_and_cover_the_project() -> None:
    assert lock.disagreements() + lock.uncovered() == []
