"""What the provider costs, against what it could cost: ratios measured in one run, against the sandbox."""
