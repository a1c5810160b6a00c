"""Benchmarks of the provider against simpler code: ratios measured in one run, against the sandbox."""
