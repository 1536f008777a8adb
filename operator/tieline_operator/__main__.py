"""The command `tieline-operator`: reads settings, runs the operator, ends with a status that says how it went.

0 after SIGTERM or SIGINT, 1 when a part of it ended by itself (the last line of the log says which), 2 for a wrong
option.
"""

from __future__ import annotations

import sys

from tieline_api.commandline import parse

from tieline_operator.settings import OperatorSettings


def main() -> None:
    """Entry point of the console script."""
    settings = parse(OperatorSettings, program="tieline-operator")
    from tieline_operator.app import run  # after parsing, so that --help loads neither kopf nor aiohttp

    sys.exit(run(settings))


if __name__ == "__main__":
    main()
