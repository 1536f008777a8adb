"""What stands in statuses while routers come, answer, refuse and leave: transcripts with the whole deciding side."""

from tieline_api.snapshot import Hello
from tieline_operator.delivery.publications import Target
from tieline_operator.errors import Unavailable, Unserved

from tests.support.api_objects import refused
from tests.support.virtual_time import virtual
from tests.tieline_operator.manifests import consumer, external, ref, route, secret
from tests.tieline_operator.rig import Rig

ROUTE = "ModelRoute"


async def programmed_rig(*pods: str) -> Rig:
    """A route that all pods of the fleet have acknowledged."""
    rig = Rig()
    rig.fleet(*pods)
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    for pod in pods:
        rig.answer(rig.join(pod))
    await rig.settle()
    assert rig.condition(ROUTE, "coder", "Programmed") == ("True", "Programmed")
    return rig


def summary(rig: Rig, router_class: str = "default") -> str:
    return next(
        (item["summary"] for item in rig.status(ROUTE, "coder")["routers"] if item["class"] == router_class), ""
    )


@virtual
async def test_programmed_counts_the_fleets_ready_pods() -> None:
    rig = Rig()
    rig.fleet("r-0", "r-1")
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    assert rig.condition(ROUTE, "coder", "Programmed") == ("False", "WaitingForRouters")
    assert summary(rig) == "0/2"
    rig.answer(rig.join("r-0"))
    await rig.settle()
    assert summary(rig) == "1/2"
    rig.answer(rig.join("r-1"))
    rig.answer(rig.join("stranger"))
    await rig.settle()
    assert summary(rig) == "2/2"
    assert rig.condition(ROUTE, "coder", "Ready") == ("True", "Ready")


@virtual
async def test_acknowledgements_that_come_together_are_one_write() -> None:
    rig = Rig()
    rig.fleet("r-0", "r-1", "r-2")
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    before = rig.status_writes().count("modelroutes/coder")
    for pod in ("r-0", "r-1", "r-2"):
        rig.answer(rig.join(pod))
    await rig.settle()
    assert rig.status_writes().count("modelroutes/coder") == before + 1


@virtual
async def test_an_edit_is_programmed_anew_and_only_the_edited_route() -> None:
    rig = await programmed_rig("r-0")
    rig.put(external("api-2"), route("other", models=["other"], refs=[ref("api-2")]))
    await rig.settle()
    assert rig.condition(ROUTE, "other", "Programmed") == ("False", "WaitingForRouters")
    assert rig.condition(ROUTE, "coder", "Programmed") == ("True", "Programmed")


@virtual
async def test_a_router_that_becomes_ready_later_is_waited_for() -> None:
    rig = await programmed_rig("r-0")
    await rig.settle(10)
    rig.fleet("r-0", "r-1")
    await rig.settle()
    assert summary(rig) == "1/2"
    rig.fleet("r-0")
    await rig.settle()
    assert summary(rig) == "1/1"


@virtual
async def test_a_refusal_names_router_and_reason_and_heals() -> None:
    rig = await programmed_rig("r-0")
    session = rig.join("r-0", rig.hello())
    rig.put(route(refs=[ref()], models=["coder", "coder-2"]))
    await rig.settle()
    rig.answer(session, error="no such strategy")
    await rig.settle()
    assert rig.condition(ROUTE, "coder", "Programmed") == ("False", "RejectedByRouter")
    message = next(item for item in rig.status(ROUTE, "coder")["conditions"] if item["type"] == "Programmed")["message"]
    assert "r-0" in message
    assert "no such strategy" in message
    rig.put(route(refs=[ref()], models=["coder"]))
    await rig.settle()
    rig.answer(session)
    await rig.settle()
    assert rig.condition(ROUTE, "coder", "Programmed") == ("True", "Programmed")


@virtual
async def test_a_restart_writes_nothing_when_routers_come_back() -> None:
    first = await programmed_rig("r-0", "r-1")
    writes = len(first.status_writes())
    again = Rig(first.objects)
    await again.start()
    assert len(first.status_writes()) == writes
    for pod in ("r-0", "r-1"):
        again.answer(again.join(pod, first.hello()))
    await again.settle(20)
    assert len(first.status_writes()) == writes


@virtual
async def test_a_router_that_does_not_come_back_is_told_after_a_while() -> None:
    first = await programmed_rig("r-0", "r-1")
    again = Rig(first.objects)
    await again.start()
    again.answer(again.join("r-0", first.hello()))
    await again.settle(8)
    assert summary(again) == "2/2"
    await again.settle(4)
    assert summary(again) == "1/2"


@virtual
async def test_without_a_service_the_declared_number_counts() -> None:
    rig = Rig(expected={"default": 2})
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    assert summary(rig) == "0/2"
    for pod in ("a", "b", "c"):
        rig.answer(rig.join(pod))
    await rig.settle()
    assert summary(rig) == "2/2"


@virtual
async def test_without_service_and_number_it_says_that_there_are_no_routers() -> None:
    rig = Rig()
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    assert rig.condition(ROUTE, "coder", "Programmed") == ("False", "NoRouters")


@virtual
async def test_sidecars_are_reported_and_not_waited_for() -> None:
    rig = await programmed_rig("r-0")
    session = rig.join("pod-1", target=Target("namespace/ai", "default"))
    await rig.settle()
    rig.answer(session, error="broken")
    rig.causes.everything()
    await rig.settle()
    assert summary(rig, "sidecar") == "0/1"
    assert rig.condition(ROUTE, "coder", "Programmed") == ("True", "Programmed")


@virtual
async def test_a_new_generation_is_observed_even_when_the_verdict_stays() -> None:
    rig = Rig()
    rig.put(secret("team-keys", {"ci": "sk-1"}), consumer())
    await rig.start()
    body = rig.objects.get("consumers", "ai", "team")
    body["spec"]["markupPercent"] = "0"
    rig.put(body)
    await rig.settle()
    generation = rig.objects.get("consumers", "ai", "team")["metadata"]["generation"]
    assert generation == 2
    assert {item["observedGeneration"] for item in rig.status("Consumer", "team")["conditions"]} == {2}


@virtual
async def test_a_status_that_somebody_else_wrote_is_restored() -> None:
    rig = await programmed_rig("r-0")
    body = rig.objects.get("modelroutes", "ai", "coder")
    body["status"] = {"conditions": []}
    rig.put(body)
    await rig.settle()
    assert rig.condition(ROUTE, "coder", "Ready") == ("True", "Ready")


@virtual
async def test_a_missing_pool_heals_when_it_appears() -> None:
    rig = Rig()
    rig.put(route(refs=[ref("later")]))
    await rig.start()
    assert rig.condition(ROUTE, "coder", "ResolvedRefs") == ("False", "PoolNotFound")
    rig.put(external("later"))
    await rig.settle()
    assert rig.condition(ROUTE, "coder", "ResolvedRefs") == ("True", "ResolvedRefs")


@virtual
async def test_events_come_on_transitions_only() -> None:
    rig = Rig()
    rig.put(route(refs=[ref("later")]))
    await rig.start()
    count = len(rig.objects.writes("events"))
    assert count > 0
    rig.causes.everything()
    await rig.settle()
    assert len(rig.objects.writes("events")) == count
    notes = {(item.body["reason"], item.body["regarding"]["name"]) for item in rig.objects.writes("events")}
    assert ("PoolNotFound", "coder") in notes


@virtual
async def test_a_deleted_object_is_left_alone() -> None:
    rig = await programmed_rig("r-0")
    await rig.settle(10)
    rig.objects.delete("modelroutes", "ai", "coder", tell=False)
    rig.fleet("r-0", "r-1")
    await rig.settle()
    assert rig.failures == []
    rig.delete_known("ModelRoute", "coder")
    await rig.settle()
    assert rig.failures == []


@virtual
async def test_an_object_made_anew_under_the_same_name_gets_its_own_status() -> None:
    rig = await programmed_rig("r-0")
    await rig.settle(10)
    rig.objects.delete("modelroutes", "ai", "coder", tell=False)
    made = route(refs=[ref()], models=["anew"])
    rig.objects.put(rig.resource(ROUTE), {**made, "metadata": {"namespace": "ai", "name": "coder"}})
    rig.fleet("r-0", "r-1")
    await rig.settle()
    assert {type(error).__name__ for _, error in rig.failures} == {"Conflict"}
    assert rig.status(ROUTE, "coder") == {}
    await rig.resync.once()
    await rig.settle()
    assert rig.condition(ROUTE, "coder", "Accepted") == ("True", "Accepted")


@virtual
async def test_a_refused_write_is_tried_again_later_and_others_are_not_held_up() -> None:
    rig = Rig()
    rig.put(external(), external("api-2"), route(refs=[ref()]))
    failing = True

    def refuse(verb: str, plural: str) -> None:
        if failing and (verb, plural) == ("patch", "providerpools"):
            raise refused(422)

    rig.cluster.before = refuse
    await rig.start()
    assert rig.condition(ROUTE, "coder", "Accepted") == ("True", "Accepted")
    assert rig.status("ProviderPool", "api") == {}
    failing = False
    await rig.settle(10)
    assert rig.condition("ProviderPool", "api", "Accepted") == ("True", "Accepted")


@virtual
async def test_after_an_outage_statuses_follow_at_once() -> None:
    rig = await programmed_rig("r-0")
    rig.cluster.failure = Unavailable("gone")
    session = rig.join("r-0", Hello(config_hash="other"))
    rig.answer(session, error="cannot")
    await rig.settle(60)
    assert rig.condition(ROUTE, "coder", "Programmed") == ("True", "Programmed")
    rig.cluster.failure = None
    await rig.settle(3)
    rig.causes.everything()
    await rig.settle(1)
    assert rig.condition(ROUTE, "coder", "Programmed") == ("False", "RejectedByRouter")


@virtual
async def test_refused_writes_keep_their_back_off_however_often_an_outage_ends() -> None:
    rig = Rig()
    rig.put(external(), route(refs=[ref()]))
    tries = 0

    def refuse(verb: str, _: str) -> None:
        nonlocal tries
        if verb == "patch":
            tries += 1
            raise Unserved(500, "cannot")

    rig.cluster.before = refuse
    await rig.start()
    for _ in range(100):
        rig.causes.everything()
        await rig.settle(0.1)
    assert tries < 20  # two objects, a quarter of a second at first and twice as long each time


@virtual
async def test_a_declared_number_is_programmed_again_after_a_router_left_and_came_back() -> None:
    rig = Rig(expected={"default": 2})
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    sessions = [rig.join(pod) for pod in ("a", "b")]
    for session in sessions:
        rig.answer(session)
    await rig.settle(20)
    assert summary(rig) == "2/2"
    rig.hub.leave(sessions[0])
    await rig.settle(10)
    assert summary(rig) == "1/2"
    again = rig.join("a", rig.hello())
    await rig.settle(10)
    assert summary(rig) == "2/2"
    writes = len(rig.status_writes())
    rig.hub.leave(again)
    await rig.settle(1)
    rig.join("a", rig.hello())
    await rig.settle(10)
    assert len(rig.status_writes()) == writes
