"""What routing must know of a request, one module per API: fields in, `RequestView` out. Pure.

A reader looks at the few top-level fields that routing needs and refuses those whose type would make the look
meaningless. What is inside messages, inputs and prompts is between client and provider: it is looked at, never refused.
Called by `wire.request` alone.
"""
