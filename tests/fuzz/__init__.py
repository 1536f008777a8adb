"""Fuzzing: whatever bytes clients and providers send, the router's readers answer or refuse, and nothing else escapes.

`targets.TARGETS` is the table of what is fuzzed; a target is a function of bytes that raises when a promise is broken.
`make fuzz` runs them all under atheris for a million executions, `test_fuzz.py` for a few seconds, and every seed and
every input that once broke something (`corpus/`) is run by name.
"""
