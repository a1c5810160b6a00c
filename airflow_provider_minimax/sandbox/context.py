"""What one sandbox holds; a reset replaces it while the server keeps running."""

from __future__ import annotations

from airflow_provider_minimax.sandbox import memory
from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.faults import FaultQueue
from airflow_provider_minimax.sandbox.state import State
from airflow_provider_minimax.sandbox.stats import Recorder


class Context:
    """The current configuration with its state, faults and statistics, served at ``origin``."""

    def __init__(self, config: SandboxConfig, origin: str) -> None:
        self.origin = origin
        self.reset(config)

    def reset(self, config: SandboxConfig) -> None:
        """Start from scratch; a request in flight ends with the state that it began with."""
        self.config = config
        self.state = State(config, config.media_origin or self.origin)
        self._forget_calls()

    def restore(self, dumped: bytes) -> None:
        """Resume from what an earlier sandbox remembered; see ``memory.load``."""
        self.state = memory.load(dumped, self.config, self.config.media_origin or self.origin)
        self._forget_calls()

    def _forget_calls(self) -> None:
        config = self.config
        self.faults = FaultQueue(config.faults)
        self.recorder = Recorder()
