"""Benchmarks: figures are measured from outside, stored under `bench/results/`, and never asserted."""
