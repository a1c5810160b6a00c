"""Where files go: a local disk or an object store."""
