"""When may a second attempt start before the first has answered: from the recent times to first content, within a share
of recent requests. Pure; owned by `live.LiveTable`, asked by `attempts`. Streams only: the time of a plain answer says
more about its length than about its server.

How the runtime drives it:
1. `Attempts.next` gives an `Attempt` whose `hedge_at` is a Unix time, or None where nothing may be hedged.
2. When that time comes and no content has, it asks `Attempts.hedge(now)`. An `Attempt` is a second one: it gets a lease
   of its own and runs beside the first. None: not now (budget, no other calm place); it does not ask again.
3. The first of the two that commits wins: `Attempts.commit(now, attempt)` returns the others. The runtime cancels them
   and ends their leases with `HEDGE_LOST` (no breaker minds; whether they were billed is unknown); it reports nothing
   more of them. An attempt that succeeds without a commit before wins in the same way.
4. If one fails, `Attempts.fail(error, retry_after, attempt)` says whether the other goes on (True), or `next` is to be
   asked (False).

Nothing is known of a pool until `MIN_SAMPLES` answers have come, and what is unknown is not hedged. Prompts are
compared with prompts of about their size, because prefill takes time in proportion. Hedging doubles what a request
costs, so its budget has no floor: `maxPercent` of the requests of the last minute.
"""

from __future__ import annotations

import math
from typing import Final

from tieline_api.snapshot import Hedging

WINDOW: Final = 300.0
"""Seconds of one generation of samples; two are kept (OpenRouter's percentiles are over five minutes)."""
BUDGET_SECONDS: Final = 60.0
"""Seconds after which a past request counts 1/e in the budget."""
MIN_SAMPLES: Final = 20
FIRST_BOUND: Final = 0.001
"""Seconds; the upper bound of the first bucket."""
RATIO: Final = 1.1
"""Of the bounds of two neighbouring buckets: a quantile is at most 10 percent too long (DDSketch, relative error)."""
BUCKETS: Final = 146
"""The last one is for everything over 16 minutes."""
SIZE_CLASSES: Final = 5
"""Prompts under 1k tokens, 4k, 16k, 64k, and above."""
_LOG_RATIO: Final = math.log(RATIO)


class Sketch:
    """Quantiles of recent durations in bounded memory: two generations of counts in logarithmic buckets."""

    __slots__ = ("_before", "_now", "began")

    def __init__(self, now: float) -> None:
        self.began = now
        self._now = [0] * BUCKETS
        self._before = [0] * BUCKETS

    def _turn(self, now: float) -> None:
        if now - self.began < WINDOW:
            return
        self._before = self._now if now - self.began < 2 * WINDOW else [0] * BUCKETS
        self._now = [0] * BUCKETS
        self.began = now

    def add(self, seconds: float, now: float) -> None:
        self._turn(now)
        place = math.ceil(math.log(seconds / FIRST_BOUND) / _LOG_RATIO) if seconds > FIRST_BOUND else 0
        self._now[min(place, BUCKETS - 1)] += 1

    def quantile(self, percent: int, now: float) -> float | None:
        """The upper bound, in seconds, of the bucket in which `percent` of the samples are reached; None where there
        are fewer than `MIN_SAMPLES`, or so few that not one lies above."""
        self._turn(now)
        total = sum(self._now) + sum(self._before)
        if total < MIN_SAMPLES or total * (100 - percent) < 100:
            return None
        wanted = total * percent / 100
        for place, count in enumerate(map(int.__add__, self._now, self._before)):
            wanted -= count
            if wanted <= 0:
                return FIRST_BOUND * RATIO**place if place < BUCKETS - 1 else None
        return None


def size_class(prompt_tokens: int) -> int:
    """Which prompts are alike: each class is four times as long as the one before."""
    return min(max(prompt_tokens.bit_length() - 9, 0) // 2, SIZE_CLASSES - 1)


class RouteHedging:
    """Samples and budget of one route. Its sketches are bounded by the route's pools × `SIZE_CLASSES`."""

    __slots__ = ("_at", "_hedges", "_requests", "_sketches", "rule")

    def __init__(self, rule: Hedging) -> None:
        self.rule = rule
        self._sketches: dict[tuple[str, int], Sketch] = {}
        self._requests = 0.0
        self._hedges = 0.0
        self._at = 0.0

    def keep(self, pools: frozenset[str]) -> None:
        """Forgets pools that are no longer the route's."""
        self._sketches = {key: sketch for key, sketch in self._sketches.items() if key[0] in pools}

    def sample(self, pool: str, prompt_tokens: int, seconds: float, now: float) -> None:
        """First content came after so long; or it had not come by then, which counts the same: else a slow pool, whose
        attempts are given up, would look ever faster."""
        key = (pool, size_class(prompt_tokens))
        sketch = self._sketches.get(key)
        if sketch is None:
            sketch = self._sketches[key] = Sketch(now)
        sketch.add(seconds, now)

    def delay(self, pool: str, prompt_tokens: int, now: float) -> float | None:
        """Seconds without content after which an attempt may be hedged; None = never."""
        sketch = self._sketches.get((pool, size_class(prompt_tokens)))
        return None if sketch is None else sketch.quantile(self.rule.after_percentile, now)

    def _decay(self, now: float) -> None:
        if now > self._at:
            factor = math.exp((self._at - now) / BUDGET_SECONDS)
            self._requests *= factor
            self._hedges *= factor
            self._at = now

    def requested(self, now: float) -> None:
        """A request of the route has begun its first attempt."""
        self._decay(now)
        self._requests += 1

    def permits(self, now: float) -> bool:
        """Whether one more second attempt fits into the budget."""
        self._decay(now)
        return self._hedges + 1 <= self._requests * self.rule.max_percent / 100

    def spend(self, now: float) -> None:
        self._decay(now)
        self._hedges += 1
