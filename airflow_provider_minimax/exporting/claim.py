"""Whose folder it is. Of two exports in one folder, the later one goes on and the earlier one stops.

There is no lock: the try that holds one may have been given up, and a lock that nobody releases stops every night
to come. The checkpoint names its owner instead. It is the first thing that a try writes, and the try looks at it again
before whatever it lets appear.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid

import msgspec

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.exporting.records import (
    CHECKPOINT,
    MANIFEST,
    Checkpoint,
    StoredManifest,
    load_checkpoint,
    load_manifest,
)
from airflow_provider_minimax.exporting.storage import Storage, storage_errors


class TakenOverError(MiniMaxError):
    """Another export works in the same folder."""


class _Owned(msgspec.Struct):
    owner: str | None = None


class Claim:
    """The right of one try to change a folder.

    :param storage: the folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._owner = uuid.uuid4().hex
        self._seen: tuple[bytes, ...] = ()
        self._state: Checkpoint | None = None

    def look(self) -> tuple[StoredManifest | None, Checkpoint | None]:
        """Return what earlier exports have left, and remember it."""
        bodies = self._read()
        self._seen = _digests(bodies)
        manifest, checkpoint = bodies
        return load_manifest(self._storage, manifest), load_checkpoint(self._storage, checkpoint)

    def take(self, state: Checkpoint) -> None:
        """Take the folder over. Whoever else works there stops before the next file.

        :param state: what this try builds upon.
        :raises TakenOverError: what was seen there has changed since.
        """
        with storage_errors(self._storage.folder):
            if _digests(self._read()) != self._seen:
                raise self._lost()
            state.owner = self._owner
            state.save(self._storage)
        self._state = state

    def check(self) -> None:
        """Make sure that the folder is still ours.

        :raises TakenOverError: it is not.
        """
        with storage_errors(self._storage.folder):
            body = self._storage.get(CHECKPOINT)
        try:
            owner = None if body is None else msgspec.json.decode(body, type=_Owned).owner
        except msgspec.DecodeError:
            owner = None
        if owner != self._owner:
            raise self._lost()

    def explain(self, error: MiniMaxError) -> MiniMaxError:
        """Return what an error comes from: who takes a folder over clears away what others have under way there."""
        if self._state is None:
            return error
        try:
            self.check()
        except MiniMaxError as reason:
            return reason if isinstance(reason, TakenOverError) else error
        return error

    def give_back(self) -> None:
        """Remove the checkpoint: the export is whole."""
        self.check()
        with storage_errors(self._storage.folder):
            self._storage.remove(CHECKPOINT)
        self._state = None

    def withdraw(self) -> None:
        """Leave nothing of a try that has come to nothing."""
        if self._state is not None and self._state.after is None and not self._state.is_complete:
            # Why it has come to nothing is being told, and a checkpoint that is left over does no harm.
            with contextlib.suppress(MiniMaxError):
                self.give_back()

    def _read(self) -> tuple[bytes | None, bytes | None]:
        return self._storage.get(MANIFEST), self._storage.get(CHECKPOINT)

    def _lost(self) -> TakenOverError:
        return TakenOverError(
            f"Another export is at work in {self._storage.folder}. This one stops and leaves the folder to it; a retry "
            "takes it over in turn. Let one task at a time export to a folder."
        )


def _digests(bodies: tuple[bytes | None, ...]) -> tuple[bytes, ...]:
    return tuple(b"" if body is None else hashlib.sha256(body).digest() for body in bodies)
