import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.runtime.clock import SLEW, SystemClock


class Machine:
    """A machine's two clocks, of which the wall clock may be set."""

    def __init__(self) -> None:
        self.steady, self.wall = 100.0, 1_700_000_000.0

    def pass_(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


def clock_of(machine: Machine) -> SystemClock:
    return SystemClock(lambda: machine.wall, lambda: machine.steady)


def test_without_steps_now_is_the_wall_clock() -> None:
    machine = Machine()
    clock = clock_of(machine)
    machine.pass_(5)
    assert clock.now() == pytest.approx(machine.wall)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_reaches_now_slowly_and_the_wall_at_once(step: float) -> None:
    machine = Machine()
    clock = clock_of(machine)
    before = clock.now()
    machine.wall += step
    machine.pass_(10)
    assert clock.now() - before == pytest.approx(10 * (1 + SLEW * (1 if step > 0 else -1)))
    assert clock.wall() == machine.wall
    machine.pass_(40_000)
    assert clock.now() == pytest.approx(machine.wall)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-1e6, 1e6)), max_size=20))
def test_now_never_goes_backwards(steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = clock_of(machine)
    seen = [clock.now()]
    for seconds, step in steps:
        machine.pass_(seconds)
        machine.wall += step
        seen.append(clock.now())
    assert seen == sorted(seen)
