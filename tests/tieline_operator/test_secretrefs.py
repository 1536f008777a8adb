import pytest
from tieline_api.conditions import Reason
from tieline_operator.objects import SecretObject
from tieline_operator.secretrefs import Resolved, host_matches, resolve, unpermitted_host
from tieline_operator.verdicts import Finding

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw

LABEL = "kubectl label secret -n ai provider tieline.dev/use=credentials"


def found(*raws: Raw, item: str = "apiKey", lines: bool = False) -> Resolved | Finding:
    secrets = {view.key: view for view in map(SecretObject.from_object, raws)}
    return resolve(secrets, "ai", "provider", item, "spec.x", lines=lines)


def problem(*raws: Raw, item: str = "apiKey") -> Finding:
    finding = found(*raws, item=item)
    assert isinstance(finding, Finding)
    assert finding.status == "False"
    assert finding.message.startswith("spec.x: ")
    return finding


def resolved(raw: Raw, *, lines: bool = False) -> Resolved:
    value = found(raw, lines=lines)
    assert isinstance(value, Resolved)
    return value


def test_a_labelled_secret_gives_its_value_under_its_version() -> None:
    value = resolved(manifests.secret("provider", {"apiKey": "sk-1"}, version="42"))
    assert (value.ref.id, value.ref.version) == ("ai/provider/apiKey", "42")
    assert (value.value.value, value.value.version, value.hosts) == ("sk-1", "42", None)
    assert "sk-1" not in repr(value)


def test_a_missing_secret_is_told_with_both_commands() -> None:
    finding = problem(manifests.secret("other", {"apiKey": "a"}))
    assert finding.reason == Reason.SECRET_NOT_FOUND
    assert LABEL in finding.message
    assert "kubectl create secret generic -n ai provider --from-literal=apiKey=VALUE" in finding.message


def test_an_unlabelled_secret_is_told_with_the_command_that_labels_it() -> None:
    finding = problem(manifests.secret("provider", {"apiKey": "a"}, labelled=False))
    assert finding.reason == Reason.SECRET_NOT_LABELLED
    assert finding.message.endswith(LABEL)


def test_a_label_with_another_value_is_no_label() -> None:
    raw = manifests.secret("provider", {"apiKey": "a"})
    raw["metadata"]["labels"] = {"tieline.dev/use": "yes"}
    assert problem(raw).reason == Reason.SECRET_NOT_LABELLED


def test_a_variable_that_nobody_filled_in_is_no_key() -> None:
    finding = problem(manifests.secret("provider", {"apiKey": "${API_KEY}"}))
    assert finding.reason == Reason.SECRET_KEY_NOT_FOUND
    assert "${API_KEY} to the letter" in finding.message


@pytest.mark.parametrize("value", ["", "   ", "\n"])
def test_an_empty_value_is_none(value: str) -> None:
    assert problem(manifests.secret("provider", {"apiKey": value})).reason == Reason.SECRET_KEY_NOT_FOUND


def test_a_missing_key_is_told_and_the_others_are_not_listed() -> None:
    finding = problem(manifests.secret("provider", {"password": "a"}))
    assert finding.reason == Reason.SECRET_KEY_NOT_FOUND
    assert "password" not in finding.message


def test_a_value_of_several_lines_goes_into_no_header_but_may_be_a_certificate() -> None:
    raw = manifests.secret("provider", {"apiKey": "a\r\nX-Admin: yes"})
    finding = problem(raw)
    assert finding.reason == Reason.SECRET_KEY_NOT_FOUND
    assert "X-Admin" not in finding.message
    assert resolved(raw, lines=True).value.value == "a\r\nX-Admin: yes"


@pytest.mark.parametrize(
    ("host", "pattern", "matches"),
    [
        ("api.example.com", "api.example.com", True),
        ("API.example.com.", "api.Example.com", True),
        ("api.example.com", "*.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("badexample.com", "*.example.com", False),
        ("api.example.com.evil.net", "api.example.com", False),
        ("api.example.com", "*", False),
    ],
)
def test_hosts_match_whole_names_or_true_suffixes(host: str, pattern: str, matches: bool) -> None:
    assert host_matches(host, pattern) is matches


@pytest.mark.parametrize(
    ("annotation", "host", "permitted"),
    [
        ("api.example.com, *.example.org", "api.example.com", True),
        ("api.example.com, *.example.org", "eu.example.org", True),
        ("api.example.com", "evil.example.net", False),
        ("", "api.example.com", False),
    ],
)
def test_the_annotation_binds_a_secret_to_hosts(annotation: str, host: str, permitted: bool) -> None:
    raw = manifests.secret("provider", {"apiKey": "a"}, annotations={"tieline.dev/hosts": annotation})
    finding = unpermitted_host(resolved(raw), [host], "spec.x")
    assert (finding is None) is permitted
    if finding is not None:
        assert finding.reason == Reason.SECRET_HOST_NOT_PERMITTED
        assert host in finding.message
        assert "ai/provider" in finding.message


def test_every_host_must_be_permitted() -> None:
    raw = manifests.secret("provider", {"apiKey": "a"}, annotations={"tieline.dev/hosts": "a.example"})
    assert unpermitted_host(resolved(raw), ["a.example", "b.example"], "spec.x") is not None
