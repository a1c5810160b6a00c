"""Ordering what is paid for, once: whatever dies, whenever."""
