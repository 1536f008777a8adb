import math

import pytest
from tieline_router.runtime.patience import ENDLESS, Patience, patience


@pytest.mark.parametrize(
    ("headers", "plain", "stream"),
    [
        ({}, ENDLESS, ENDLESS),
        ({"x-request-timeout": "20"}, Patience(20), Patience(20)),
        ({"x-stainless-read-timeout": "600"}, Patience(600), Patience(math.inf, 300)),
        ({"x-stainless-timeout": "60.0", "x-stainless-read-timeout": "30"}, Patience(30), Patience(math.inf, 15)),
        ({"x-request-timeout": "5", "x-stainless-timeout": "60"}, Patience(5), Patience(5, 30)),
    ],
)
def test_a_deadline_is_a_deadline_and_silence_is_broken_by_signs_of_life(
    headers: dict[str, str], plain: Patience, stream: Patience
) -> None:
    assert patience(headers, stream=False) == plain
    assert patience(headers, stream=True) == stream


@pytest.mark.parametrize("value", ["", "None", "0", "-1", "nan", "soon", "1e999"])
def test_what_is_no_positive_number_says_nothing(value: str) -> None:
    assert patience({"x-request-timeout": value, "x-stainless-timeout": value}, stream=False) == ENDLESS
