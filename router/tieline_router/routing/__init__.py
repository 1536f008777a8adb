"""PURE: which pool and endpoint answers a request, and what follows from a failure.

Nothing here does I/O or reads a clock: time and randomness are arguments. Read `decide.py` first.
"""
