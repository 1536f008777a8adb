"""What keeps a request from being sent at all is a failure of its endpoint, whatever the system makes of it."""

from __future__ import annotations

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import Target, UpstreamClient, UpstreamFailure
from yarl import URL


@pytest.mark.parametrize(
    "url",
    [
        URL("http://a..b/v1"),
        URL("http://" + "a" * 90 + ".example/v1"),
        URL("http:///v1"),
    ],
    ids=["empty label", "long label", "no host"],
)
async def test_what_is_no_address_counts_as_a_name_that_does_not_resolve(url: URL) -> None:
    client = UpstreamClient(keepalive_timeout=1.0)
    try:
        with pytest.raises(UpstreamFailure) as failed:
            async with client.post(Target(url, {}), b"{}", 2.0):
                pass
    finally:
        await client.close()
    assert failed.value.error is ErrorClass.NAME_UNRESOLVED
