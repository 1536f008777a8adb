from decimal import Decimal

from tieline_api import snapshot
from tieline_api.v1alpha1.behaviour import Hedging, Timeouts
from tieline_api.v1alpha1.health import PoolLimits
from tieline_api.v1alpha1.selectors import Constraints
from tieline_operator import wireforms


def test_what_is_left_out_constrains_nothing() -> None:
    assert wireforms.constraints(None) == wireforms.constraints(Constraints()) == snapshot.Constraints()
    assert wireforms.access(None) == snapshot.AllowDeny()


def test_every_constraint_reaches_the_wire() -> None:
    stated = Constraints.model_validate(
        {
            "dataCollection": "Deny",
            "zeroDataRetention": True,
            "countries": {"deny": ["US"]},
            "regions": {"allow": ["eu-west-1"]},
            "quantizations": ["fp8"],
            "maxPrice": {"prompt": "1.00", "request": "0.5"},
        }
    )
    assert wireforms.constraints(stated) == snapshot.Constraints(
        data_collection="Deny",
        zero_data_retention=True,
        countries=snapshot.AllowDeny(deny=("US",)),
        regions=snapshot.AllowDeny(allow=("eu-west-1",)),
        quantizations=("fp8",),
        max_price=snapshot.MaxPrice(prompt=Decimal("1.00"), request=Decimal("0.5")),
    )


def test_the_defaults_of_both_contracts_agree() -> None:
    assert wireforms.timeouts(Timeouts()) == snapshot.Timeouts()


def test_durations_become_seconds() -> None:
    stated = Timeouts.model_validate(
        {"connect": "250ms", "firstToken": {"base": "1m", "perThousandTokens": "0s"}, "request": "1h30m", "idle": "0s"}
    )
    wire = wireforms.timeouts(stated)
    assert (wire.connect, wire.first_token.base, wire.first_token.per_thousand_tokens) == (0.25, 60.0, 0.0)
    assert (wire.request, wire.idle) == (5400.0, 0.0)


def test_a_pool_s_concurrency_and_queue_reach_the_wire() -> None:
    stated = PoolLimits.model_validate({"concurrency": 8, "queue": {"depth": 4, "timeout": "2s"}})
    assert wireforms.limits(stated) == snapshot.Limits(concurrency=8, queue_depth=4, queue_seconds=2.0)
    assert wireforms.limits(PoolLimits(concurrency=8)) == snapshot.Limits(concurrency=8)
    assert wireforms.limits(None) is None


def test_hedging_reaches_the_wire() -> None:
    assert wireforms.hedging(Hedging()) == snapshot.Hedging(after_percentile=95, max_percent=5)
    assert wireforms.hedging(None) is None
