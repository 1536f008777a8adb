from __future__ import annotations

from scripts.demo_parts import conditions_and_events

DESCRIBED = """\
Name:         small
Status:
  Backends:
    Reason:   Healthy
  Conditions:
    Last Transition Time:  2026-11-22T16:10:23Z
    Message:
    Observed Generation:   1
    Reason:                Accepted
    Status:                True
    Type:                  Accepted
    Message:               2/2 (default)
    Reason:                Programmed
  Routers:
    Acked:                2
Events:
  Type    Reason  Age   From              Message
  Normal  Ready   0s    tieline-operator  Ready is True
""".splitlines()


def test_the_excerpt_is_what_conditions_say_and_the_events() -> None:
    assert conditions_and_events(DESCRIBED) == [
        "[…]",
        "  Conditions:",
        "    Reason:                Accepted",
        "    Status:                True",
        "    Type:                  Accepted",
        "    Message:               2/2 (default)",
        "    Reason:                Programmed",
        "[…]",
        "Events:",
        "  Type    Reason  Age   From              Message",
        "  Normal  Ready   0s    tieline-operator  Ready is True",
    ]
