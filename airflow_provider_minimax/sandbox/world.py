"""All that one sandbox holds; a reset exchanges it while the server stays up."""

from __future__ import annotations

from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.faults import FaultQueue
from airflow_provider_minimax.sandbox.state import State
from airflow_provider_minimax.sandbox.stats import Recorder

BASE_PATH = "/v1/minimax"


class World:
    """The present configuration with its state, faults and records."""

    def __init__(self, config: SandboxConfig, origin: str) -> None:
        """Set up a world that is served at ``origin``."""
        self.origin = origin
        self.reset(config)

    def reset(self, config: SandboxConfig) -> None:
        """Start afresh; answers that are under way end in the old world."""
        self.config = config
        self.state = State(config, config.media_origin or self.origin)
        self.faults = FaultQueue(config.faults)
        self.recorder = Recorder()


def operation(method: str, path: str) -> str:
    """Name what a request does, with ids replaced: ``GET /images/{id}``."""
    parts = path.removeprefix(BASE_PATH).strip("/").split("/")
    collection = parts[0]
    if len(parts) == 1:
        slash = "/" if collection in _LISTS else ""
        return f"{method} /{collection}{slash}"
    if collection == "media":
        return f"{method} /media/{{name}}"
    if "/".join(parts) in _NAMED:
        return f"{method} /{'/'.join(parts)}"
    return f"{method} /{collection}/{{{'account' if collection == 'accounts' else 'id'}}}"


#: The vendor writes these with a slash at their end.
_LISTS = frozenset({"images", "videos", "files", "features", "scheduler"})
_NAMED = frozenset({"images/create", "videos/create", "videos/cancel", "scheduler/available"})
