import math

from tieline_router.routing.budget import FLOOR_PER_SECOND, WINDOW, RetryBudget

FLOOR = round(FLOOR_PER_SECOND * WINDOW)


def spend_all(budget: RetryBudget, now: float) -> int:
    count = 0
    while budget.permits(now):
        budget.spend(now)
        count += 1
    return count


def test_a_quiet_route_may_retry_up_to_the_floor() -> None:
    assert spend_all(RetryBudget(20), 0.0) == FLOOR


def test_a_busy_route_may_retry_its_share_of_successes() -> None:
    budget = RetryBudget(20)
    for _ in range(2000):
        budget.succeeded(0.0)
    assert spend_all(budget, 0.0) == 400


def test_successes_and_retries_are_forgotten() -> None:
    budget = RetryBudget(20)
    for _ in range(2000):
        budget.succeeded(0.0)
    assert spend_all(budget, 0.0) == 400
    assert not budget.permits(0.1)
    later = WINDOW * math.log(4)
    assert not budget.permits(later)
    assert math.isclose(budget.successes, 500)
    assert math.isclose(budget.retries, 100)
    assert spend_all(budget, 10_000.0) == FLOOR


def test_zero_percent_is_no_retry() -> None:
    budget = RetryBudget(0)
    budget.succeeded(0.0)
    assert not budget.permits(0.0)


def test_a_clock_that_stands_still_decays_nothing() -> None:
    budget = RetryBudget(20)
    budget.succeeded(5.0)
    budget.succeeded(4.0)
    assert budget.successes == 2
