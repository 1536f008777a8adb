"""The operator's own CA and serving certificate: which are needed when, how they are made, how they are stored.

`plan_certificates` decides (pure), `carry_out` makes keys and certificates, `pack` and `unpack` are the form in the
Secret `tieline-operator-tls`. Rotation never breaks a router: a new CA stands in the published bundle for a day before
anything is signed with it, and the old one stays there until it expires. I/O is the keeper's (`delivery/keeper.py`).
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE: Final = timedelta(days=730)
LEAF_LIFE: Final = timedelta(days=90)
OVERLAP: Final = timedelta(days=1)
"""How long a new CA is published before it signs: longer than mounted ConfigMaps take to reach every pod."""
BACKDATE: Final = timedelta(minutes=5)
"""Certificates begin this much earlier than now, for clocks that run behind."""


class Step(Enum):
    NEW_CA = "new CA"
    """There is none: make one that signs at once."""
    NEXT_CA = "next CA"
    """The CA is past two thirds of its life: publish its successor, which does not sign yet."""
    PROMOTE = "promote"
    """The successor has been published long enough: it signs from now on, the old one stays in the bundle."""
    DROP_PREVIOUS = "drop previous CA"
    NEW_LEAF = "new leaf"


@dataclass(frozen=True)
class Span:
    """Validity of a certificate."""

    begins: datetime
    ends: datetime

    def due(self, now: datetime) -> bool:
        """Whether two thirds of the life are over."""
        return now >= self.begins + (self.ends - self.begins) * 2 / 3


@dataclass(frozen=True)
class LeafState:
    span: Span
    names: frozenset[str]
    signed_by_current: bool


@dataclass(frozen=True)
class State:
    """What the Secret holds, as far as decisions need it."""

    current: Span | None = None
    next: Span | None = None
    previous: Span | None = None
    leaf: LeafState | None = None


def plan_certificates(state: State, now: datetime, names: Sequence[str]) -> tuple[Step, ...]:
    """What has to be done now, in order; empty when all is well."""
    steps: list[Step] = []
    expired = state.current is not None and now >= state.current.ends
    if state.current is None or (expired and state.next is None):
        steps.append(Step.NEW_CA)
    elif state.next is not None and (expired or now >= state.next.begins + BACKDATE + OVERLAP):
        steps.append(Step.PROMOTE)
    elif state.next is None and state.current.due(now):
        steps.append(Step.NEXT_CA)
    if state.previous is not None and now >= state.previous.ends and Step.PROMOTE not in steps:
        steps.append(Step.DROP_PREVIOUS)
    leaf = state.leaf
    signer_changes = Step.NEW_CA in steps or Step.PROMOTE in steps
    if leaf is None or signer_changes or not leaf.signed_by_current or leaf.span.due(now) or leaf.names != set(names):
        steps.append(Step.NEW_LEAF)
    return tuple(steps)


@dataclass(frozen=True)
class Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True)
class Material:
    """Keys and certificates as they stand in the Secret."""

    current: Pair | None = None
    next: Pair | None = None
    previous: x509.Certificate | None = None
    leaf: Pair | None = None

    def state(self) -> State:
        return State(
            current=None if self.current is None else span_of(self.current.certificate),
            next=None if self.next is None else span_of(self.next.certificate),
            previous=None if self.previous is None else span_of(self.previous),
            leaf=self._leaf_state(),
        )

    def bundle(self) -> bytes:
        """PEM of every CA that routers must trust now: the signing one first."""
        pairs = [pair.certificate for pair in (self.current, self.next) if pair is not None]
        certificates = [*pairs, *([self.previous] if self.previous is not None else [])]
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)

    def _leaf_state(self) -> LeafState | None:
        if self.leaf is None:
            return None
        certificate = self.leaf.certificate
        signed = self.current is not None and _signed_by(certificate, self.current.certificate)
        return LeafState(span_of(certificate), frozenset(_names_of(certificate)), signed)


def span_of(certificate: x509.Certificate) -> Span:
    return Span(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def carry_out(material: Material, steps: Sequence[Step], now: datetime, names: Sequence[str]) -> Material:
    """The material after the steps of a plan."""
    for step in steps:
        match step:
            case Step.NEW_CA:
                material = Material(current=_authority(now))
            case Step.NEXT_CA:
                material = replace(material, next=_authority(now))
            case Step.PROMOTE:
                previous = material.current.certificate if material.current else None
                material = replace(material, current=material.next, next=None, previous=previous)
            case Step.DROP_PREVIOUS:
                material = replace(material, previous=None)
            case Step.NEW_LEAF:
                assert material.current is not None  # noqa: S101 - a plan makes a CA first
                material = replace(material, leaf=_leaf(material.current, now, names))
    return material


# -- the form in the Secret ------------------------------------------------------------------------------------------


class UnreadableMaterial(Exception):
    """The Secret holds something that is no key or certificate. Its values are not part of the message."""


def pack(material: Material) -> dict[str, str]:
    """`data` of the Secret."""
    files: dict[str, bytes] = {}
    for name, pair in (("ca", material.current), ("next-ca", material.next), ("tls", material.leaf)):
        if pair is not None:
            files[f"{name}.crt"], files[f"{name}.key"] = pem(pair)
    if material.previous is not None:
        files["previous-ca.crt"] = material.previous.public_bytes(serialization.Encoding.PEM)
    return {name: base64.b64encode(content).decode() for name, content in sorted(files.items())}


def unpack(data: Mapping[str, str]) -> Material:
    """Reads `data` of the Secret; what is missing is None.

    Raises:
        UnreadableMaterial: something that is there cannot be read.
    """
    previous = _decoded(data, "previous-ca.crt")
    try:
        return Material(
            current=_pair(data, "ca"),
            next=_pair(data, "next-ca"),
            previous=None if previous is None else x509.load_pem_x509_certificate(previous),
            leaf=_pair(data, "tls"),
        )
    except (ValueError, TypeError) as error:
        raise UnreadableMaterial(f"not a key or certificate: {type(error).__name__}") from None


def pem(pair: Pair) -> tuple[bytes, bytes]:
    """Certificate and key as PEM."""
    key = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pair.certificate.public_bytes(serialization.Encoding.PEM), key


def _decoded(data: Mapping[str, str], name: str) -> bytes | None:
    value = data.get(name)
    try:
        return base64.b64decode(value, validate=True) if value else None
    except ValueError:
        raise UnreadableMaterial(f"{name}: not base64") from None


def _pair(data: Mapping[str, str], name: str) -> Pair | None:
    certificate, key = _decoded(data, f"{name}.crt"), _decoded(data, f"{name}.key")
    if certificate is None or key is None:
        return None
    loaded = serialization.load_pem_private_key(key, password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise UnreadableMaterial(f"{name}.key: not an elliptic-curve key")
    return Pair(x509.load_pem_x509_certificate(certificate), loaded)


# -- making ----------------------------------------------------------------------------------------------------------


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, now: datetime, life: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now - BACKDATE + life)
    )


def _authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # The name says when it was made: two CAs of one bundle must not have the same name.
    subject = _name(f"tieline-operator-ca {now:%Y-%m-%dT%H:%M:%SZ}")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(subject, now, CA_LIFE)
        .issuer_name(subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def _leaf(authority: Pair, now: datetime, names: Sequence[str]) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(_name("tieline-operator"), now, LEAF_LIFE)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Pair(certificate, key)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
