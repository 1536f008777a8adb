import socket

import pytest
from tieline_router.runtime.addresses import (
    AddressInfo,
    AddressRefused,
    Reach,
    is_public,
    literal_address,
    permitted,
)


def found(*addresses: str) -> list[AddressInfo]:
    """As `getaddrinfo` says it."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
    ],
)
def test_private_also_when_wrapped(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("host", "address"),
    [("10.0.0.1", "10.0.0.1"), ("[::1]", "::1"), ("::1", "::1"), ("example.com", None), ("2130706433", None)],
)
def test_a_literal_is_told_from_a_name(host: str, address: str | None) -> None:
    assert literal_address(host) == address


def test_private_addresses_of_a_name_are_left_out() -> None:
    allowed = permitted("example.com", found("10.0.0.1", "8.8.8.8"), Reach.PUBLIC)
    assert [info[4][0] for info in allowed] == ["8.8.8.8"]


def test_a_name_with_none_left_is_refused_and_says_what_it_was() -> None:
    with pytest.raises(AddressRefused, match=r"rebind\.example resolves to 127\.0\.0\.1, which is not public"):
        permitted("rebind.example", found("127.0.0.1"), Reach.PUBLIC)


@pytest.mark.parametrize(
    ("address", "cluster", "host"),
    [
        ("10.0.0.1", True, True),
        ("8.8.8.8", True, True),
        ("fd00::7", True, True),
        ("127.0.0.1", False, True),
        ("127.9.9.9", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00:ec2::254", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
    ],
)
def test_own_servers_stand_neither_at_loopback_nor_at_metadata(address: str, cluster: bool, host: bool) -> None:
    assert Reach.CLUSTER.permits(address) is cluster
    assert Reach.HOST.permits(address) is host
    assert Reach.ANYWHERE.permits(address)
    if cluster:
        assert permitted("own.example", found(address), Reach.CLUSTER) == found(address)
    else:
        with pytest.raises(AddressRefused, match="loopback, link-local or multicast"):
            permitted("own.example", found(address), Reach.CLUSTER)
