from typing import Any

import pytest
from tieline_api.conditions import Reason
from tieline_operator.checks import joined
from tieline_operator.verdicts import ACCEPTED, MAX_LISTED, Finding, Problem

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw


def accepted(raw: Raw, **options: bool) -> Finding:
    return manifests.judged_pool(raw, name=raw["metadata"]["name"], **options).verdict.accepted


def url(base: str, **connection: Any) -> Raw:
    return manifests.external(external={"baseURL": base}, connection=connection)


def at(address: str) -> Raw:
    return manifests.hosted(selfHosted={"addresses": [address]})


def zoned(zone: str) -> Raw:
    override = {"when": {"window": {"from": "16:30", "timeZone": zone}}, "prices": {"prompt": "1"}}
    return manifests.external("api", manifests.offer(pricing=manifests.PRICES | {"overrides": [override]}))


def powered(zone: str) -> Raw:
    hours = {"window": {"from": "23:00", "timeZone": zone}, "perKWh": "0.04"}
    cost = {"acceleratorHour": "1", "electricity": {"perKWh": "0.1", "windows": [hours]}}
    return manifests.hosted(selfHosted={"addresses": ["10.0.0.1:80"], "cost": cost})


@pytest.mark.parametrize(
    ("raw", "options", "reason", "words"),
    [
        (
            manifests.external(limits={"requestsPerMinute": 1}),
            {},
            Reason.UNSUPPORTED_FIELD,
            "spec.limits.requestsPerMinute",
        ),
        (manifests.external(type="SelfHosted"), {}, Reason.INVALID, "spec.selfHosted"),
        (manifests.hosted(type="External"), {}, Reason.INVALID, "spec.external"),
        (url("http://api.example.com"), {"allow_insecure": True}, Reason.NOT_PERMITTED, "https://"),
        (url("http://api.example.com", allowInsecure=True), {}, Reason.NOT_PERMITTED, "--allow-insecure"),
        (url("https://api.example.com", allowPrivate=True), {}, Reason.NOT_PERMITTED, "--allow-private"),
        (url("https://10.0.0.1"), {"allow_private": True}, Reason.NOT_PERMITTED, "allowPrivate"),
        (url("https://localhost:8443"), {}, Reason.NOT_PERMITTED, "not public"),
        (url("https://[::::]"), {}, Reason.INVALID, "spec.external.baseURL: has no host"),
        (url("https://[1.2.3.4]"), {}, Reason.INVALID, "spec.external.baseURL: has no host"),
        (url("https://127.1"), {"allow_private": True}, Reason.INVALID, "spec.external.baseURL: has no host"),
        (at("[::::]:80"), {}, Reason.INVALID, "spec.selfHosted.addresses[0]: [::::]:80"),
        (at("127.1:8081"), {}, Reason.INVALID, "127.1:8081 has no host"),
        (at("2130706433:80"), {}, Reason.INVALID, "2130706433:80 has no host"),
        (at("0x7f000001:80"), {"loopback_addresses": True}, Reason.INVALID, "0x7f000001:80 has no host"),
        (at("127.0.0.1:8081"), {}, Reason.NOT_PERMITTED, "127.0.0.1:8081"),
        (at("169.254.169.254:80"), {"loopback_addresses": True}, Reason.NOT_PERMITTED, "link-local"),
        (zoned("Europe/Atlantis"), {}, Reason.INVALID, "Europe/Atlantis"),
        (zoned("../../etc/passwd"), {}, Reason.INVALID, "IANA"),
        (powered("Mars/Olympus"), {}, Reason.INVALID, "electricity.windows[0]"),
    ],
)
def test_a_pool_that_is_not_accepted_says_why_and_carries_no_traffic(
    raw: Raw, options: dict[str, bool], reason: Reason, words: str
) -> None:
    verdict = manifests.judged_pool(raw, name=raw["metadata"]["name"], **options)
    assert (verdict.verdict.accepted.status, verdict.verdict.accepted.reason) == ("False", reason)
    assert words in verdict.verdict.accepted.message
    assert verdict.wire is None
    assert verdict.secrets == {}


@pytest.mark.parametrize(
    ("raw", "options"),
    [
        (manifests.external(), {}),
        (url("http://api.example.com", allowInsecure=True), {"allow_insecure": True}),
        (url("https://10.0.0.1", allowPrivate=True), {"allow_private": True}),
        (at("10.0.0.1:8000"), {}),
        (at("127.0.0.1:8000"), {"loopback_addresses": True}),
        (zoned("Asia/Shanghai"), {}),
        (powered("UTC"), {}),
    ],
)
def test_what_is_permitted_is_accepted(raw: Raw, options: dict[str, bool]) -> None:
    assert accepted(raw, **options) == ACCEPTED


def test_all_problems_are_told_at_once() -> None:
    raw = url("http://10.0.0.1") | {}
    raw["spec"]["limits"] = {"tokensPerMinute": 1}
    finding = accepted(raw)
    assert finding.reason == Reason.UNSUPPORTED_FIELD
    assert finding.message.count("spec.") >= 3


def test_a_message_lists_a_bounded_number_of_problems_each_once() -> None:
    findings = [Finding("False", Reason.INVALID, f"problem {index % 15}") for index in range(30)]
    finding = joined(findings, ACCEPTED)
    assert finding.message.count("problem") == MAX_LISTED
    assert finding.message.endswith("and 5 more")
    assert len(finding.problems) == 30
    assert joined([], ACCEPTED) is ACCEPTED


def test_each_problem_stands_at_its_place_in_the_manifest() -> None:
    finding = accepted(manifests.hosted(selfHosted={"addresses": ["10.0.0.1:80", "127.0.0.1:80", "169.254.0.1:80"]}))
    assert [problem.path for problem in finding.problems] == [
        "spec.selfHosted.addresses[1]",
        "spec.selfHosted.addresses[2]",
    ]
    assert finding.message == "; ".join(map(str, finding.problems))
    assert str(Problem("spec.a[0]", "is wrong", "right it")) == "spec.a[0]: is wrong: right it"
    assert str(Problem("", "is wrong")) == "is wrong"
