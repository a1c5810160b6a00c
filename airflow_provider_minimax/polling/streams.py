"""The streams that the triggers of one triggerer share, by key."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar


class Idle(Protocol):
    """What is of no use any more once it is idle."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it."""


StreamT = TypeVar("StreamT", bound=Idle)


class Streams(dict[Hashable, StreamT]):
    """The streams of a triggerer, each as long as somebody uses it."""

    def get_or_make(self, key: Hashable, make: Callable[[], StreamT]) -> StreamT:
        """Return the stream of a key, made on the first call: its users may come in any order."""
        if key not in self:
            self[key] = make()
        return self[key]

    def forget_if_idle(self, key: Hashable, stream: StreamT) -> None:
        """Forget a stream that nobody uses; the next user starts a new one."""
        if stream.is_idle and self.get(key) is stream:
            del self[key]
