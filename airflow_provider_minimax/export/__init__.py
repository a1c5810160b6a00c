"""Exports of images: the walk, the checkpoint, the parts in their formats, and the manifest."""
