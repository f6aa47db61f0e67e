"""Benchmarks: each prints a table, and compares side by side in one run. `python -m bench [NAME...]` runs them."""
