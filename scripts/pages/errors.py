"""docs/errors.md: every error class of the router, from its one error table."""

from tieline_router.errors import markdown_table

from scripts.pages.markdown import GENERATED

INTRODUCTION = """# Errors

Every way in which a request can fail, whose fault it is, and what follows. An answer with an error has the shape of its
protocol: `{"error": {"message", "type", "code", "param"}}`. The name in the first column stands in logs and metrics.

*Tried again* and *next model* say what happens before the first content has reached the client: another endpoint,
another pool, or one of the route's `fallbacks` whose `when` names that word (or `Any`). *Breaker* says whether the
failure counts against the endpoint. A stream that has begun ends with an error event of the same type and code.
"""


def page() -> str:
    return "\n".join([INTRODUCTION, GENERATED + "\n", markdown_table()])
