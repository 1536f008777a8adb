import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import Target, UpstreamFailure
from tieline_router.runtime.upstream.target import encoded
from tieline_router.runtime.upstream.tls import trusting
from yarl import URL

HEADERS = {"Content-Type": "application/json", "X-Title": "größer"}


def test_a_head_is_written_once_for_all_requests() -> None:
    target = Target(URL("https://api.example.com/v1/chat/completions"), HEADERS)
    assert target.head(12) == (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        b"Host: api.example.com\r\n"
        b"Content-Type: application/json\r\n"
        b"X-Title: gr\xc3\xb6\xc3\x9fer\r\n"
        b"Content-Length: 12\r\n\r\n"
    )
    assert target.head(3).endswith(b"\r\nContent-Length: 3\r\n\r\n")


def test_headers_of_a_request_replace_those_of_the_target() -> None:
    target = Target(URL("http://[fd00::1]:8000/v1"), HEADERS)
    lines = target.head(1, (("content-type", "multipart/form-data; boundary=x"), ("traceparent", "00-1-2-01"))).split(
        b"\r\n"
    )
    assert lines[:5] == [
        b"POST /v1 HTTP/1.1",
        b"Host: [fd00::1]:8000",
        b"X-Title: gr\xc3\xb6\xc3\x9fer",
        b"content-type: multipart/form-data; boundary=x",
        b"traceparent: 00-1-2-01",
    ]
    assert b"Content-Type: application/json" in target.head(1)


def test_framing_is_written_here_alone() -> None:
    target = Target(URL("http://x.example/"), {"Host": "evil", "content-length": "9", "Transfer-Encoding": "chunked"})
    assert target.head(1) == b"POST / HTTP/1.1\r\nHost: x.example\r\nContent-Length: 1\r\n\r\n"
    for name in ("Content-Length", "transfer-encoding", "HOST", "Connection"):
        with pytest.raises(UpstreamFailure):
            target.head(1, ((name, "x"),))


def test_whose_header_it_is_decides_whose_fault_it_is() -> None:
    with pytest.raises(UpstreamFailure, match="'X-A' holds characters") as stated:
        Target(URL("http://x.example/"), {"X-A": "a\nb"}).head(1)
    assert stated.value.error is ErrorClass.CREDENTIALS_UNAVAILABLE
    with pytest.raises(UpstreamFailure) as asked:
        Target(URL("http://x.example/"), {}).head(1, (("X-A", "a\nsecret"),))
    assert asked.value.error is ErrorClass.BAD_REQUEST
    assert "secret" not in asked.value.detail


def test_many_sets_of_names_are_not_all_kept() -> None:
    target = Target(URL("http://x.example/"), {})
    for number in range(1000):
        target.head(1, ((f"x-{number}", "a"),))
    assert len(target._starts) <= 64


@given(st.text(), st.text())
def test_no_header_ends_its_line(name: str, value: str) -> None:
    try:
        line = encoded(name, value)
    except ValueError:
        return
    assert line.endswith(b"\r\n")
    assert not {b"\r"[0], b"\n"[0], 0} & set(line[:-2])
    assert line.partition(b": ")[0] == name.encode()


def test_connections_are_shared_by_what_matters() -> None:
    base = Target(URL("https://api.example/v1"), HEADERS)
    same = Target(URL("https://api.example:443/other"), {}, secrets=("s",))
    assert base.origin == same.origin
    others = [
        Target(URL("http://api.example/v1"), HEADERS),
        Target(URL("https://api.example:444/v1"), HEADERS),
        Target(URL("https://api.example/v1"), HEADERS, tls=trusting()),
        Target(URL("https://api.example/v1"), HEADERS, server_name="x.example"),
        Target(URL("https://api.example/v1"), HEADERS, proxy=URL("http://proxy:1")),
        Target(URL("https://api.example/v1"), HEADERS, proxy=URL("http://proxy:1"), proxy_authorization="Basic x"),
    ]
    assert len({base.origin, *(other.origin for other in others)}) == 7


@pytest.mark.parametrize("url", ["http:///v1", "ftp://x.example/", "/v1"])
def test_a_url_without_a_place_has_no_origin(url: str) -> None:
    with pytest.raises(UpstreamFailure) as failed:
        _ = Target(URL(url), {}).origin
    assert failed.value.error is ErrorClass.NAME_UNRESOLVED
