import json
from typing import Any

from tieline_router.apis import PathTree
from tieline_router.routing.table import compile_table
from tieline_router.wire.models import models_body

from tests.support import frames


def listed(tree: PathTree) -> list[Any]:
    offers = [frames.model("acme/a", "2", context_length=8192, supported_parameters=("tools",)), frames.model("acme/b")]
    pools = [frames.own_pool("one", offers), frames.own_pool("two", [frames.model("acme/a", "0.5")])]
    table = compile_table(frames.config(pools, [frames.route("one", "two", models=["acme/*"], created=5.0)]).config)
    data: list[Any] = json.loads(models_body(table.models(frames.NAMESPACE, None), tree))["data"]
    return data


def test_openais_list() -> None:
    assert listed("openai") == [
        {"id": "acme/a", "object": "model", "created": 5, "owned_by": "default"},
        {"id": "acme/b", "object": "model", "created": 5, "owned_by": "default"},
    ]


def test_openrouters_list_says_what_the_offers_can_do_at_the_least_price() -> None:
    first = listed("openrouter")[0]
    assert (first["id"], first["context_length"], first["supported_parameters"]) == ("acme/a", 8192, ["tools"])
    assert first["pricing"] == {"prompt": "0.0000005", "completion": "0.0000005", "request": "0"}
