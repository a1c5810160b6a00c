"""Whose folder it is, and what in it is ours. Of two exports in one folder, the later one goes on, the earlier stops.

The checkpoint names the attempt that owns the folder. It is the first thing that an attempt writes, and the attempt
looks at it again before whatever it changes. On a local disk nobody else can take the folder over between this look and
the change: both happen under a lock that ends with its process, so that no attempt that died stops every night to come.
An object store has no lock. There a part never takes the place of another one, and the store itself copies manifest and
checkpoint from a draft that a rival takes away first.

A file is ours when our manifest or our checkpoint knows it by name and size. So the checkpoint says what a part is
called and what is in it before the part appears. Anything else is never removed and never replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.export.records import (
    CHECKPOINT,
    MANIFEST,
    Checkpoint,
    Part,
    StoredManifest,
    Traces,
    foreign,
    load_checkpoint,
    load_manifest,
)
from airflow_provider_minimax.storage.base import Draft, DraftGoneError, Storage
from airflow_provider_minimax.storage.errors import storage_errors

log = logging.getLogger(__name__)

#: Names of files in one message.
_MAX_NAMES: Final = 5


class TakenOverError(MiniMaxError):
    """Another export works in the same folder."""


class _Owned(msgspec.Struct):
    owner: str | None = None


class Claim:
    """The right of one attempt to change a folder.

    :param storage: the folder.
    :param check_stopped: called before each change; raises if there is to be none any more.
    """

    def __init__(self, storage: Storage, check_stopped: Callable[[], None] = lambda: None) -> None:
        self._storage = storage
        self._check_stopped = check_stopped
        #: Digests of manifest and checkpoint.
        self._seen = b"", b""
        self._traces = Traces()
        self._state: Checkpoint | None = None
        #: What the checkpoint says now.
        self._saved = b""

    def look(self) -> tuple[StoredManifest | None, Checkpoint | None, Mapping[str, int]]:
        """Return what earlier exports have left, and the sizes of the files, and remember it.

        :raises MiniMaxBadRequestError: there are files of somebody else under names of ours.
        """
        bodies = self._storage.read(MANIFEST), self._storage.read(CHECKPOINT)
        self._seen = _digest(bodies[0]), _digest(bodies[1])
        manifest, stored = load_manifest(self._storage, bodies[0]), load_checkpoint(self._storage, bodies[1])
        traces = Traces() if stored is None else stored.traces
        parts = [] if manifest is None else manifest.parts
        self._traces = Traces(parts, traces.all_parts, None, traces.tokens)
        return manifest, None if stored is None else stored.checkpoint, self._own_sizes()

    def _own_sizes(self) -> Mapping[str, int]:
        sizes = self._storage.sizes()
        if names := foreign(sizes, self._traces.all_parts):
            raise _refusal(self._storage, names)
        return sizes

    def take(self, state: Checkpoint, keep: Iterable[Part]) -> None:
        """Take the folder over. Whoever else works there stops before the next change.

        :param state: what this attempt builds upon.
        :param keep: the parts that it builds upon.
        :raises TakenOverError: what was seen there has changed since.
        :raises MiniMaxBadRequestError: files of somebody else have come.
        """
        kept = {part.name for part in keep}
        state.strays = [part for part in self._traces.all_parts if part.name not in kept]
        state.former = [token for token in self._traces.tokens if token != self._storage.token]
        state.owner = self._storage.token
        body = msgspec.json.encode(state)
        with storage_errors(self._storage.folder), self._storage.lock():
            self._check_stopped()
            if (_digest(self._storage.read(MANIFEST)), _digest(self._storage.read(CHECKPOINT))) != self._seen:
                raise self._lost()
            self._own_sizes()
            if not self._storage.replace(CHECKPOINT, body, lambda there: _digest(there) == self._seen[1]):
                raise self._lost()
        self._state, self._saved = state, body

    def fence(self, *folders: str) -> None:
        """Take away what earlier attempts have under way, so that it appears no more.

        :param folders: within the folder, to look through as well.
        :raises TakenOverError: a manifest has appeared meanwhile.
        """
        with self.held():
            self._storage.discard_drafts(self._owned.former, *folders)
            if _digest(self._storage.read(MANIFEST)) != self._seen[0]:
                raise self._lost()

    def check(self) -> None:
        """Make sure that the folder is still ours, and that we may go on.

        :raises TakenOverError: it is not.
        """
        self._check_stopped()
        self._check_owner()

    def _check_owner(self) -> None:
        with storage_errors(self._storage.folder):
            body = self._storage.read(CHECKPOINT)
        try:
            owner = None if body is None else msgspec.json.decode(body, type=_Owned).owner
        except msgspec.DecodeError:
            owner = None
        if owner != self._storage.token:
            raise self._lost()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Change something in the folder, which stays ours meanwhile.

        :raises TakenOverError: it is not ours any more.
        """
        with storage_errors(self._storage.folder), self._storage.lock():
            self.check()
            yield

    def save(self) -> None:
        """Make certain what was done so far."""
        state = self._owned
        names = {part.name for part in state.parts}
        state.strays = [part for part in state.strays if part.name not in names]
        self._save(state)

    def commit(self, draft: Draft, part: Part) -> None:
        """Let a part appear, which the checkpoint says before."""
        state = self._owned
        announced = msgspec.json.decode(self._saved, type=Checkpoint)
        announced.strays.append(part)
        state.strays.append(part)
        self._save(announced)
        with self.held():
            self._appear(draft, part)
            if etag := self._storage.etag(part.name):
                state.etags[part.name] = etag

    def _appear(self, draft: Draft, part: Part) -> None:
        try:
            draft.commit(part.name, is_new=True)
            return
        except FileExistsError:
            self.check()
            found = self._storage.size_and_hash(part.name)
        if found == (part.bytes, part.sha256):
            # Sent twice: the response to the first request was lost.
            draft.discard()
        elif (part.name, found[0]) in {(one.name, one.bytes) for one in self._traces.all_parts}:
            # A request of an attempt that we took the folder from has come late.
            self._storage.remove(part.name)
            draft.commit(part.name, is_new=True)
        else:
            raise _refusal(self._storage, [part.name])

    def publish(self, name: str, body: bytes, check: Callable[[], None] = lambda: None) -> None:
        """Let a manifest or a checkpoint appear, unless the folder is not ours any more.

        :param check: called as late as can be; what it raises keeps it from appearing.
        """

        def check_all() -> None:
            self.check()
            check()

        with storage_errors(self._storage.folder):
            try:
                self._storage.publish(name, body, check_all)
            except DraftGoneError:
                raise self._lost() from None

    def _save(self, state: Checkpoint) -> None:
        body = msgspec.json.encode(state)
        self.publish(CHECKPOINT, body)
        self._saved = body

    def remove(self, name: str) -> None:
        """Remove a file of ours."""
        with self.held():
            self._storage.remove(name)

    def explain(self, error: MiniMaxError) -> MiniMaxError:
        """Return what an error comes from: who takes a folder over clears away what others have under way there."""
        if self._state is None:
            return error
        try:
            self._check_owner()
        except MiniMaxError as reason:
            return reason if isinstance(reason, TakenOverError) else error
        return error

    def give_back(self) -> None:
        """Remove the checkpoint: the export is whole."""
        self.remove(CHECKPOINT)
        self._state = None

    def withdraw(self) -> None:
        """Leave nothing of an attempt that has come to nothing."""
        if self._state is None or self._state.after is not None or self._state.is_complete:
            return
        # Why it has come to nothing is being told, and a checkpoint that is left over does no harm.
        with contextlib.suppress(MiniMaxError), storage_errors(self._storage.folder):
            if not any(part.name in self._storage.sizes() for part in self._state.strays):
                self.give_back()

    @property
    def _owned(self) -> Checkpoint:
        if self._state is None:
            raise ValueError("the folder has to be taken first")
        return self._state

    def _lost(self) -> TakenOverError:
        return TakenOverError(
            f"Another export is at work in {self._storage.folder}. This one stops and leaves the folder to it; a retry "
            "takes it over in turn. Let one task at a time export to a folder."
        )


def _refusal(storage: Storage, names: list[str]) -> MiniMaxBadRequestError:
    more = "" if len(names) <= _MAX_NAMES else f" and {len(names) - _MAX_NAMES} more"
    return MiniMaxBadRequestError(
        f"{storage.folder} holds files that no export has written, or that were changed since: "
        f"{', '.join(names[:_MAX_NAMES])}{more}. They stay as they are. Choose another output_path, or remove them."
    )


def _digest(body: bytes | None) -> bytes:
    return b"" if body is None else hashlib.sha256(body).digest()
