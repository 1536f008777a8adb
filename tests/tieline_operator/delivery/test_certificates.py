"""Which certificate is made when: a table over states and times, and ten years in which no router is cut off."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from tieline_operator.delivery.certificates import (
    BACKDATE,
    CA_LIFE,
    LEAF_LIFE,
    OVERLAP,
    LeafState,
    Material,
    Span,
    State,
    Step,
    UnreadableMaterial,
    carry_out,
    pack,
    pem,
    plan_certificates,
    unpack,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ("tieline-operator", "tieline-operator.tieline-system.svc", "127.0.0.1")
DAY = timedelta(days=1)


def span(begins_in: timedelta, life: timedelta) -> Span:
    return Span(NOW + begins_in, NOW + begins_in + life)


CURRENT = span(-DAY, CA_LIFE)
LEAF = LeafState(span(-DAY, LEAF_LIFE), frozenset(NAMES), signed_by_current=True)
GOOD = State(current=CURRENT, leaf=LEAF)
OLD_CA = span(-CA_LIFE * 2 / 3, CA_LIFE)
DEAD_CA = span(-CA_LIFE, CA_LIFE)


LEAF_DUE = replace(LEAF, span=span(-LEAF_LIFE * 2 / 3, LEAF_LIFE))
LEAF_NOT_DUE = replace(LEAF, span=span(-LEAF_LIFE * 2 / 3 + DAY, LEAF_LIFE))
LEAF_OF_FEWER_NAMES = replace(LEAF, names=frozenset(NAMES[:1]))
LEAF_OF_ANOTHER_CA = replace(LEAF, signed_by_current=False)
YOUNG_CA, KNOWN_CA = span(-BACKDATE, CA_LIFE), span(-BACKDATE - OVERLAP, CA_LIFE)
NEW, LEAF_ONLY = (Step.NEW_CA, Step.NEW_LEAF), (Step.NEW_LEAF,)
PROMOTE = (Step.PROMOTE, Step.NEW_LEAF)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        pytest.param(State(), NEW, id="nothing yet"),
        pytest.param(GOOD, (), id="all is well"),
        pytest.param(replace(GOOD, leaf=None), LEAF_ONLY, id="no leaf"),
        pytest.param(replace(GOOD, leaf=LEAF_DUE), LEAF_ONLY, id="leaf at two thirds"),
        pytest.param(replace(GOOD, leaf=LEAF_NOT_DUE), (), id="leaf before two thirds"),
        pytest.param(replace(GOOD, leaf=LEAF_OF_FEWER_NAMES), LEAF_ONLY, id="a name was added"),
        pytest.param(replace(GOOD, leaf=LEAF_OF_ANOTHER_CA), LEAF_ONLY, id="leaf of another CA"),
        pytest.param(replace(GOOD, current=OLD_CA), (Step.NEXT_CA,), id="CA at two thirds: publish a successor"),
        pytest.param(replace(GOOD, current=OLD_CA, next=YOUNG_CA), (), id="the successor is young: wait"),
        pytest.param(replace(GOOD, current=OLD_CA, next=KNOWN_CA), PROMOTE, id="the successor is known everywhere"),
        pytest.param(replace(GOOD, previous=DEAD_CA), (Step.DROP_PREVIOUS,), id="the old CA has expired"),
        pytest.param(replace(GOOD, previous=OLD_CA), (), id="the old CA stays until it expires"),
        pytest.param(replace(GOOD, current=DEAD_CA), NEW, id="asleep for two years"),
        pytest.param(replace(GOOD, current=DEAD_CA, next=YOUNG_CA), PROMOTE, id="expired under a young successor"),
    ],
)
def test_plan(state: State, steps: tuple[Step, ...]) -> None:
    assert plan_certificates(state, NOW, NAMES) == steps


def advance(material: Material, now: datetime) -> Material:
    return carry_out(material, plan_certificates(material.state(), now, NAMES), now, NAMES)


def bundle_of(material: Material) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(material.bundle())


def verify(leaf: x509.Certificate, bundle: list[x509.Certificate], now: datetime) -> None:
    verifier = PolicyBuilder().store(Store(bundle)).time(now).build_server_verifier(x509.DNSName(NAMES[1]))
    verifier.verify(leaf, [])


def test_a_router_with_a_bundle_of_yesterday_is_never_cut_off() -> None:
    """Ten years: the keeper looks every tenth day, and every day while something was just changed."""
    material = advance(Material(), NOW)
    yesterday = bundle_of(material)
    signers = set()
    now, busy = NOW, 0
    while now < NOW + 3653 * DAY:
        before, material = material, advance(material, now)
        busy = 3 if material != before else busy - 1
        bundle = bundle_of(material)
        assert material.leaf is not None
        assert material.current is not None
        for known in (yesterday, bundle):
            verify(material.leaf.certificate, known, now)
        assert len(bundle) <= 3
        signers.add(material.current.certificate.serial_number)
        assert plan_certificates(material.state(), now, NAMES) == ()
        yesterday = bundle
        now += DAY if busy > 0 else 10 * DAY
    assert len(signers) >= 7  # a CA every sixteen months


def test_leaf_names_key_and_use() -> None:
    material = advance(Material(), NOW)
    assert material.leaf is not None
    names = material.leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(NAMES[:2])
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert material.state().leaf == LeafState(
        Span(NOW - BACKDATE, NOW - BACKDATE + LEAF_LIFE), frozenset(NAMES), signed_by_current=True
    )


def test_another_hosts_name_is_refused() -> None:
    material = advance(Material(), NOW)
    assert material.leaf is not None
    verifier = PolicyBuilder().store(Store(bundle_of(material))).time(NOW).build_server_verifier(x509.DNSName("x.y"))
    with pytest.raises(x509.verification.VerificationError):
        verifier.verify(material.leaf.certificate, [])


def test_python_loads_what_was_made() -> None:
    material = advance(Material(), NOW)
    context = ssl.create_default_context(cadata=material.bundle().decode())
    assert len(context.get_ca_certs()) == 1


def test_the_secret_gives_back_what_was_put_into_it() -> None:
    material = advance(Material(), NOW)
    material = advance(material, NOW + CA_LIFE * 2 / 3)
    assert material.next is not None
    material = advance(material, NOW + CA_LIFE * 2 / 3 + OVERLAP + BACKDATE)
    assert material.previous is not None
    again = unpack(pack(material))
    assert again.state() == material.state()
    assert again.bundle() == material.bundle()
    assert again.leaf is not None
    assert material.leaf is not None
    assert pem(again.leaf) == pem(material.leaf)


@pytest.mark.parametrize("name", ["ca.key", "tls.crt", "next-ca.crt", "previous-ca.crt"])
@pytest.mark.parametrize("value", ["not base64!", "bm90IGEgY2VydGlmaWNhdGU="])
def test_rubbish_in_the_secret_is_told_without_its_value(name: str, value: str) -> None:
    material = advance(advance(Material(), NOW), NOW + CA_LIFE * 2 / 3)
    with pytest.raises(UnreadableMaterial) as caught:
        unpack({**pack(material), name: value})
    assert value not in str(caught.value)


def test_an_empty_secret_is_empty_material() -> None:
    assert unpack({}) == Material()


def test_no_key_stands_in_a_repr() -> None:
    material = advance(Material(), NOW)
    assert "key=" not in repr(material)
