"""Triggers: waits that need no worker."""
