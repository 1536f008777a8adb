from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import (
    AllowDeny,
    Config,
    ConsumerKey,
    Fallback,
    Pool,
    PriceOverride,
    Prices,
    Pricing,
    Route,
    Window,
)
from tieline_router.routing.table import ContradictoryConfig, RoutingTable, compile_table

from tests.support.routing import NAMESPACE, backend, consumer, external, model, own, route

OWN = own("own")


def table_of(*routes: Route, pools: tuple[Pool, ...] = (OWN,)) -> RoutingTable:
    return compile_table(Config(pools=pools, routes=routes))


def matched(table: RoutingTable, name: str, namespace: str = NAMESPACE) -> str | None:
    found = table.match(namespace, name)
    return found.wire.key if found else None


def test_exact_beats_glob_and_a_longer_glob_a_shorter() -> None:
    table = table_of(
        route(name="all", models=("*",)),
        route(name="family", models=("deepseek/*",)),
        route(name="version", models=("deepseek/deepseek-v3*",)),
        route(name="one", models=("deepseek/deepseek-v3.2",)),
    )
    assert matched(table, "deepseek/deepseek-v3.2") == "ai/one"
    assert matched(table, "deepseek/deepseek-v3.1") == "ai/version"
    assert matched(table, "deepseek/r1") == "ai/family"
    assert matched(table, "gpt") == "ai/all"
    assert matched(table, "gpt", "other") is None


def test_equal_names_go_to_the_older_route_then_to_the_first_name() -> None:
    for claim in ("coder", "deepseek/*"):
        routes = [
            route(name="b", models=(claim,), created=10.0),
            route(name="c", models=(claim,), created=5.0),
            route(name="a", models=(claim,), created=10.0),
        ]
        name = claim.replace("*", "x")
        assert matched(table_of(*routes), name) == "ai/c"
        assert matched(table_of(routes[0], routes[2]), name) == "ai/a"


globs = st.sampled_from(["*", "a*", "a/*", "*b", "a/b", "a/b*", "ab"])
claims = st.lists(
    st.tuples(st.lists(globs, min_size=1, max_size=3, unique=True), st.sampled_from([1.0, 2.0])), max_size=5
)


@given(claims, st.sampled_from(["a", "a/b", "ab", "b", "a/bc"]))
def test_the_order_of_the_configuration_does_not_matter(claimed: list[tuple[list[str], float]], name: str) -> None:
    routes = [route(name=f"r{i}", models=tuple(names), created=at) for i, (names, at) in enumerate(claimed)]
    expected = matched(table_of(*routes), name)
    assert matched(table_of(*reversed(routes)), name) == expected
    losers = [r for r in routes if r.key != expected]
    for gone in losers:  # who does not win does not matter either
        assert matched(table_of(*(r for r in routes if r is not gone)), name) == expected


def test_models_lists_plain_names_and_what_globs_reach() -> None:
    pools = (own("own", model("deepseek/a"), model("deepseek/b"), model("x/c")), external("ext", model("deepseek/d")))
    table = table_of(
        route(backend("own", "x/c"), name="plain", models=("coder",)),
        route(backend("own", None), backend("ext", None, weight=0), name="glob", models=("deepseek/*",)),
        pools=pools,
    )
    listings = table.models(NAMESPACE, None)
    assert [(one.id, one.route.key, [o.model_name for o in one.offers]) for one in listings] == [
        ("coder", "ai/plain", ["x/c"]),
        ("deepseek/a", "ai/glob", ["deepseek/a"]),
        ("deepseek/b", "ai/glob", ["deepseek/b"]),
        ("deepseek/d", "ai/glob", []),
    ]
    limited = consumer(models=AllowDeny(allow=("deepseek/*",), deny=("deepseek/b",)))
    assert [one.id for one in table.models(NAMESPACE, limited)] == ["deepseek/a", "deepseek/d"]
    assert table.models("elsewhere", None) == []


def test_what_did_not_change_is_reused() -> None:
    pools = (own("own"), external("ext"))
    routes = (route(backend("own"), name="a"), route(backend("ext"), name="b", models=("b",)))
    before = compile_table(Config(pools=pools, routes=routes))
    copied = msgspec.json.decode(msgspec.json.encode(before.config), type=Config)
    same = compile_table(copied, before)
    assert all(same.pools[key] is before.pools[key] for key in before.pools)
    assert all(same.routes[key] is before.routes[key] for key in before.routes)
    edited = msgspec.structs.replace(copied, pools=(copied.pools[0], external("ext", region="eu")))
    after = compile_table(edited, before)
    assert after.pools["ai/own"] is before.pools["ai/own"]
    assert after.routes["ai/a"] is before.routes["ai/a"]
    assert after.pools["ai/ext"] is not before.pools["ai/ext"]
    assert after.routes["ai/b"] is not before.routes["ai/b"]
    assert after.routes["ai/b"].backends[0].pool is after.pools["ai/ext"]


def test_a_route_follows_a_pool_of_its_fallback() -> None:
    fallback = Fallback(model="x", backends=(backend("ext", None),))
    routes = (route(backend("own"), fallbacks=(fallback,)),)
    before = compile_table(Config(pools=(OWN, external("ext")), routes=routes))
    after = compile_table(Config(pools=(OWN, external("ext", region="eu")), routes=routes), before)
    assert after.routes["ai/r"].fallbacks[0].backends[0].pool is after.pools["ai/ext"]


CONTINENT = PriceOverride(prices=Prices(), window=Window(start=0, end=1, time_zone="America"))  # a folder of zones
WINDOW = PriceOverride(prices=Prices(), window=Window(start=0, end=1, time_zone="Mars/Olympus"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(pools=(OWN, OWN)), "pool ai/own stands in the configuration twice"),
        (Config(pools=(OWN,), routes=(route(), route())), "route ai/r stands in the configuration twice"),
        (Config(routes=(route(backend("gone")),)), "route ai/r names pools that the configuration lacks: ai/gone"),
        (
            Config(routes=(route(fallbacks=(Fallback(model="x", backends=(backend("gone"),)),)),)),
            "route ai/r names pools that the configuration lacks: ai/gone",
        ),
        (Config(pools=(external("ext", base_url=None),)), "pool ai/ext is External and has no base URL"),
        (Config(pools=(external("ext", model(price=None)),)), "has no price, which an External pool must state"),
        (
            Config(pools=(own("own", model(), model()),)),
            "model 'm' (variant '') of pool ai/own stands in the pool twice",
        ),
        (
            Config(pools=(own("own", model(pricing=Pricing(base=Prices(prompt=Decimal(1)), overrides=(WINDOW,)))),)),
            "has a price window that cannot be read",
        ),
        (
            Config(pools=(own("own", model(pricing=Pricing(base=Prices(prompt=Decimal(1)), overrides=(CONTINENT,)))),)),
            "has a price window that cannot be read",
        ),
        (Config(pools=(external("ext", base_url="https://[1:2:3]"),)), "has a base URL that cannot be read"),
        (Config(pools=(external("ext", base_url="https://a:99999"),)), "has a base URL that cannot be read"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(config: Config, message: str) -> None:
    with pytest.raises(ContradictoryConfig) as refused:
        compile_table(config)
    assert message in str(refused.value)


def test_a_key_of_two_consumers_is_nobodys() -> None:
    key = ConsumerKey(name="k", sha256="aa")
    table = compile_table(Config(consumers=(consumer("a", keys=(key,)), consumer("b", keys=(key,)))))
    assert table.consumer("aa") is None
    three = tuple(consumer(name, keys=(key,)) for name in "abc")
    assert compile_table(Config(consumers=three)).consumer("aa") is None


def test_a_key_twice_in_one_consumer_has_the_earlier_end() -> None:
    keys = tuple(ConsumerKey(name=str(end), sha256="aa", expires_at=end) for end in (None, 20.0, 10.0, 30.0))
    entry = compile_table(Config(consumers=(consumer(keys=keys),))).consumer("aa")
    assert entry is not None
    assert entry.expires_at == 10.0
