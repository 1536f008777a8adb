"""docs/errors.md: every error class of the router, from its one error table."""

from tieline_router.errors import ERRORS, ErrorClass, anthropic_type

from scripts.pages.markdown import GENERATED

INTRODUCTION = """# Errors

Every way in which a request can fail, whose fault it is, and what follows. An answer with an error has the shape of the
contract that was called: OpenAI's `{"error": {"message", "type", "code", "param"}}` under `/v1`, Anthropic's
`{"type": "error", "error": {"type", "message"}}` for Messages, OpenRouter's with an integer `code` (the status) and
`metadata.error_type` under `/api/v1`. The name in the first column stands in logs and metrics.

*Tried again* and *next model* say what happens before the first content has reached the client: another endpoint,
another pool, or one of the route's `fallbacks` whose `when` names that word (or `Any`). *Breaker* says against what the
failure counts: the endpoint, or one model at the endpoint (see [what is tried next](failover.md)). *Billed* says
whether the provider charges for the attempt; what a consumer pays is another matter. A stream that has begun ends with
an error event of the same type and code.
"""

COLUMNS = (
    "error", "fault", "status", "`type`", "`code`", "OpenRouter `error_type`", "Anthropic `type`", "tried again",
    "next model", "breaker", "billed", "`error.type` of spans", "what to do",
)  # fmt: skip


def table() -> str:
    """The table, one line per class."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for error, row in ERRORS.items():
        status = "404 (`/api/v1`: 400)" if error is ErrorClass.MODEL_NOT_FOUND else str(row.status)
        cells = (
            f"`{error}`", row.fault, status, row.type, row.code, row.openrouter_type, anthropic_type(error), row.retry,
            row.next_model, row.ejects, row.billed, row.otel, row.remedy,
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def page() -> str:
    return "\n".join([INTRODUCTION, GENERATED + "\n", table()])
