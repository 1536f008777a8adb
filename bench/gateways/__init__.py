"""Gateways side by side: the same clients, the same mock, one core for the gateway (`make bench ARGS=gateways`)."""
