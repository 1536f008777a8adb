"""What kopf is told: it only watches, never writes, never gives up, and reads only labelled Secrets."""

import asyncio
import itertools
from typing import Any

import kopf
from tieline_operator import handlers
from tieline_operator.credentials import Connection
from tieline_operator.resources import SECRETS, WATCHED


async def connect() -> Connection:
    return Connection("https://api", token="t-1")


def registry() -> kopf.OperatorRegistry:
    return handlers.registry(WATCHED, lambda *_: None, connect)


def test_every_kind_is_watched_and_nothing_else_is_handled() -> None:
    made = registry()
    selectors = [handler.selector for handler in made._watching.get_all_handlers()]
    watched = {(selector.group, selector.any_name or selector.plural) for selector in selectors if selector}
    assert len(watched) == len(WATCHED)
    for other in (made._changing, made._spawning, made._indexing, made._webhooks):
        assert list(other.get_all_handlers()) == []


def test_retries_never_end() -> None:
    chosen = handlers.settings(WATCHED)
    backoffs: Any = chosen.networking.error_backoffs
    for _ in range(2):  # each request begins anew
        assert list(itertools.islice(backoffs, 1000)) == [handlers.RETRY_SECONDS] * 1000


def test_secrets_are_selected_by_the_server() -> None:
    chosen = handlers.settings(WATCHED)
    selectors = list(chosen.watching.label_selectors.values())
    assert selectors == [SECRETS.selector]


def test_kopf_writes_nothing_and_kills_nobody() -> None:
    chosen = handlers.settings(WATCHED)
    assert chosen.posting.enabled is False
    assert chosen.scanning.disabled is True
    assert chosen.peering.standalone is True
    assert chosen.process.ultimate_exiting_timeout is None


def test_every_login_is_another_one() -> None:
    """kopf refuses for ever what got a 401 once: the same token must be able to come back."""
    [login] = registry()._activities.get_all_handlers()

    async def main() -> list[Any]:
        return [await login.fn() for _ in range(2)]  # type: ignore[misc, call-arg]

    first, second = asyncio.run(main())
    assert first.token == second.token == "t-1"
    assert first != second
