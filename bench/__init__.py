"""Figures beside those of others, in one run."""
