import base64
from pathlib import Path

from tieline_cli.folder import Folder, ObjectId, read_folder

POOL = "apiVersion: tieline.dev/v1alpha1\nkind: ProviderPool\nmetadata: {name: a}\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def messages(folder: Folder) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.severity, problem.message) for problem in folder.problems]


def test_objects_are_completed_as_a_server_would(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, a=POOL), {})
    source = folder.sources[ObjectId("ProviderPool", "default", "a")]
    assert folder.problems == ()
    assert source.object["metadata"]["namespace"] == "default"
    assert source.object["metadata"]["generation"] == 1


def test_a_broken_file_does_not_hide_the_good_ones(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, a=POOL, b="a: [", c=POOL.replace("name: a", "name: c")), {})
    assert [identity.name for identity in folder.sources] == ["a", "c"]
    [problem] = folder.problems
    assert problem.file.endswith("b.yaml")
    assert problem.message.startswith("not YAML")


def test_files_below_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".git").mkdir()
    write(tmp_path / "deep", a=POOL)
    write(tmp_path / ".git", b="a: [")
    folder = read_folder(tmp_path, {})
    assert (len(folder.sources), folder.problems) == (1, ())


def test_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    assert messages(read_folder(tmp_path, {})) == [(1, "error", "no manifests here (*.yaml, *.yml, *.json)")]


def test_what_is_no_object_of_ours_is_named_or_passed_over(tmp_path: Path) -> None:
    text = "kind: X\n---\napiVersion: apps/v1\nkind: Deployment\n---\n" + POOL.replace("v1alpha1", "v2")
    text += "---\napiVersion: tieline.dev/v1alpha1\nkind: ProviderPool\nmetadata: {}\n"
    folder = read_folder(write(tmp_path, a=text), {})
    assert not folder.sources
    assert messages(folder) == [
        (1, "error", "apiVersion is missing"),
        (7, "error", "tieline.dev has no kind ProviderPool in tieline.dev/v2"),
        (12, "error", "metadata.name is missing"),
    ]


def test_an_object_that_stands_twice_names_both_places(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, a=POOL, b=POOL), {})
    [problem] = folder.problems
    assert "a.yaml:1" in problem.message
    assert problem.file.endswith("b.yaml")


def test_variables_fill_secrets_and_an_unset_one_leaves_its_key_out(tmp_path: Path) -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  a: x-${ONE}-${ONE}\n  b: ${TWO}\n  c: 010\n"
    )
    folder = read_folder(write(tmp_path, a=secret), {"ONE": "1"})
    raw = folder.sources[ObjectId("Secret", "default", "s")].object
    assert raw["data"] == {"a": base64.b64encode(b"x-1-1").decode()}
    assert "stringData" not in raw
    assert messages(folder) == [
        (6, "warning", "TWO is not set, so this key is left out"),
        (7, "error", "must be a string, not 8"),
    ]
    assert folder.problems[1].remedy == 'write "010"'


def test_wrong_shapes_are_told_and_nothing_breaks(tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
    text = f"{secret}data: [1]\n---\n{secret.replace('name: s', 'name: t')}stringData: text\n"
    text += "---\n" + POOL.replace("name: a", "name: a, namespace: 010")
    folder = read_folder(write(tmp_path, a=text), {})
    assert messages(folder) == [
        (4, "error", "must be a mapping of names to strings"),
        (9, "error", "must be a mapping of names to strings"),
        (13, "error", "must be a string, not 8"),
    ]


def test_an_empty_namespace_is_the_default_one(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path, a=POOL.replace("name: a", "name: a, namespace:")), {})
    assert list(folder.sources) == [ObjectId("ProviderPool", "default", "a")]
    assert folder.sources[ObjectId("ProviderPool", "default", "a")].object["metadata"]["namespace"] == "default"
