"""Rows to files: formats, parts, and the manifest that makes them an export."""
