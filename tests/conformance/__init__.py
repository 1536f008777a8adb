"""Conformance: the newest client libraries, unmodified, against the router.

Each file is one client. What it talks to is `World`: a router that demands keys, a scripted provider behind models of
every kind, and real model servers. What may change with a release of a client stands in `newest.py`.
"""
