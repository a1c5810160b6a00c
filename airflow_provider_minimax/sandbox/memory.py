"""What a sandbox remembers from one start to the next, as bytes: everything but its faults and statistics."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.images import ImageChanges
from airflow_provider_minimax.sandbox.state import State
from airflow_provider_minimax.sandbox.videos import VideoChanges


class _Account(msgspec.Struct, forbid_unknown_fields=True):
    images: ImageChanges
    videos: VideoChanges
    files: list[str | None]
    credits: int


class _Memory(msgspec.Struct, forbid_unknown_fields=True):
    #: What ids and pictures follow from.
    seed: int
    user: str
    images: int
    videos: int
    history_end: int
    accounts: list[_Account]


def dump(state: State) -> bytes:
    """Return what a sandbox remembers."""
    config = state.config
    with state.lock:
        accounts = [_Account(one.images.changes, one.videos.changes, one.files, one.credits) for one in state.accounts]
        memory = _Memory(config.seed, config.user, config.images, config.videos, state.history_end, accounts)
        return msgspec.msgpack.encode(memory)


def load(dumped: bytes, config: SandboxConfig, media_origin: str) -> State:
    """Return the state of a sandbox that resumes.

    :raises ValueError: the bytes are of another version, or of another configuration.
    """
    try:
        memory = msgspec.msgpack.decode(dumped, type=_Memory)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    if (memory.seed, memory.user, memory.images, memory.videos) != (
        config.seed,
        config.user,
        config.images,
        config.videos,
    ):
        raise ValueError("the sandbox had another seed, token, or number of images or videos")
    if len(memory.accounts) != config.accounts:
        raise ValueError("the sandbox had another number of accounts")
    state = State(replace(config, history_end=memory.history_end), media_origin)
    for account, remembered in zip(state.accounts, memory.accounts, strict=True):
        account.images.changes = remembered.images
        account.videos.changes = remembered.videos
        account.files, account.credits = remembered.files, remembered.credits
    return state
