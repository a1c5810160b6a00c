"""Who owns a folder, and which of its files are ours. Of two exports in one folder, the later one takes it over.

The checkpoint names the attempt that owns the folder. It is the first file that an attempt writes, and the attempt
checks it before every change. On a local disk nobody can take the folder over between this check and the change: both
happen under a lock that ends with its process, so that a dead attempt never blocks a later one. An object store has no
lock. There a part never replaces another one, and the store itself copies manifest and checkpoint from a draft that a
rival discards first.

A file is ours when our manifest or our checkpoint knows its name and size, and on a local disk its hash. So the
checkpoint announces each part before it appears. Any other file is never removed and never replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.kinds import MediaKind
from airflow_provider_minimax.export.checkpoint import CHECKPOINT, Checkpoint, KnownFiles, load_checkpoint
from airflow_provider_minimax.export.manifest import MANIFEST, StoredManifest, load_manifest
from airflow_provider_minimax.export.parts import Part, edited_parts, first_damaged, foreign_parts
from airflow_provider_minimax.media.filenames import MEDIA, stem_and_digits
from airflow_provider_minimax.storage.base import Draft, DraftGoneError, Storage
from airflow_provider_minimax.storage.errors import storage_errors

#: Names of files in one message.
_MAX_NAMES: Final = 5


class TakenOverError(MiniMaxError):
    """Another export has taken the folder over."""


class Ownership:
    """The right of one attempt to change a folder.

    :param check_stopped: called before each change; raises once the task is stopped.
    """

    def __init__(self, storage: Storage, check_stopped: Callable[[], None], kind: MediaKind) -> None:
        self._kind = kind
        self._storage = storage
        self._check_stopped = check_stopped
        #: Digests of manifest and checkpoint as they were inspected.
        self._inspected = b"", b""
        self._known = KnownFiles()
        self._checkpoint: Checkpoint | None = None
        #: The checkpoint as it is stored now.
        self._stored = b""

    def inspect(self) -> tuple[StoredManifest | None, Checkpoint | None, Mapping[str, int]]:
        """Return what earlier exports have left, and the sizes of all files, and remember it for ``take_over``.

        :raises MiniMaxBadRequestError: there are foreign files with names of ours.
        """
        with storage_errors(self._storage.folder):
            bodies = self._storage.read(MANIFEST), self._storage.read(CHECKPOINT)
        self._inspected = _digest(bodies[0]), _digest(bodies[1])
        manifest = load_manifest(self._storage, bodies[0], self._kind)
        self._known, checkpoint = load_checkpoint(self._storage, bodies[1], self._kind)
        if manifest is not None:
            self._known.parts = [*manifest.parts, *self._known.parts]
            self._known.had_media |= manifest.has_media
        return manifest, checkpoint, self.check_files()

    def check_files(self) -> Mapping[str, int]:
        """Check that there are no foreign files with names of ours, and return the sizes of all files.

        Hashes are checked, too, where reading costs little. Not to be called under the lock, which others wait for.

        :raises MiniMaxBadRequestError: there are.
        """
        with storage_errors(self._storage.folder):
            sizes = self._check_foreign()
            if self._storage.is_local and (names := edited_parts(self._storage, sizes, self._known.all_parts)):
                raise _foreign_error(self._storage, names)
        return sizes

    def _check_foreign(self) -> Mapping[str, int]:
        sizes = self._storage.sizes()
        if names := foreign_parts(sizes, self._known.all_parts, self._kind):
            raise _foreign_error(self._storage, names)
        return sizes

    def take_over(self, checkpoint: Checkpoint, keep: Iterable[Part]) -> None:
        """Take the folder over. A rival stops before its next change, and what it has not committed is discarded.

        :param checkpoint: the state from which this attempt starts.
        :param keep: the parts that it builds on.
        :raises TakenOverError: the folder has changed since it was inspected.
        :raises MiniMaxBadRequestError: foreign files have appeared.
        """
        kept = {part.name for part in keep}
        checkpoint.strays = [part for part in self._known.all_parts if part.name not in kept]
        checkpoint.former_owners = [owner for owner in self._known.owners if owner != self._storage.token]
        checkpoint.owner = self._storage.token
        checkpoint.had_media = self._known.has_media
        body = msgspec.json.encode(checkpoint)
        with storage_errors(self._storage.folder), self._storage.lock():
            self._check_stopped()
            if (_digest(self._storage.read(MANIFEST)), _digest(self._storage.read(CHECKPOINT))) != self._inspected:
                raise self._taken_over()
            self._check_foreign()
            if not self._storage.replace(CHECKPOINT, body, lambda current: _digest(current) == self._inspected[1]):
                raise self._taken_over()
        self._checkpoint, self._stored = checkpoint, body
        self._discard_rivals(checkpoint)

    def _discard_rivals(self, checkpoint: Checkpoint) -> None:
        """Discard the drafts and uploads of earlier attempts, so that they cannot be committed any more."""
        with self.changing():
            self._storage.discard_drafts(checkpoint.former_owners, MEDIA)
            if _digest(self._storage.read(MANIFEST)) != self._inspected[0]:
                raise self._taken_over()
        if checkpoint.former_owners:
            names = {CHECKPOINT, *(part.name for part in checkpoint.strays)}
            with storage_errors(self._storage.folder):
                self._storage.abort_uploads(lambda name: name in names or _is_media(name))
        checkpoint.former_owners = []

    def remove_manifest(self) -> None:
        """Remove the manifest of the older export.

        :raises MiniMaxBadRequestError: a foreign one has appeared.
        :raises TakenOverError: one of a rival has appeared.
        """
        with self.changing():
            body = self._storage.read(MANIFEST)
            if body is not None and _digest(body) != self._inspected[0]:
                load_manifest(self._storage, body, self._kind)
                raise self._taken_over()
            self._storage.remove(MANIFEST)

    def check(self) -> None:
        """Check that the task is not stopped and that the folder is still ours.

        :raises TakenOverError: it is not.
        """
        self._check_stopped()
        self._check_owner()

    def _check_owner(self) -> None:
        with storage_errors(self._storage.folder):
            body = self._storage.read(CHECKPOINT)
        try:
            owner = None if body is None else msgspec.json.decode(body, type=KnownFiles).owner
        except msgspec.DecodeError:
            owner = None
        if owner != self._storage.token:
            raise self._taken_over()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Change something in the folder, which nobody can take over meanwhile where the storage has a lock.

        :raises TakenOverError: it is not ours any more.
        """
        with storage_errors(self._storage.folder), self._storage.lock():
            self.check()
            yield

    def save_checkpoint(self) -> None:
        """Store the state of the export."""
        state = self._state
        names = {part.name for part in state.parts}
        state.strays = [part for part in state.strays if part.name not in names]
        self._save(state)

    def commit_part(self, draft: Draft, part: Part) -> None:
        """Make a part appear, which the checkpoint announces first."""
        state = self._state
        announced = msgspec.json.decode(self._stored, type=Checkpoint)
        announced.strays.append(part)
        state.strays.append(part)
        self._save(announced)
        with self.changing():
            self._commit(draft, part)
            if etag := self._storage.etag(part.name):
                state.etags[part.name] = etag

    def _commit(self, draft: Draft, part: Part) -> None:
        try:
            draft.commit(part.name, is_new=True)
            return
        except FileExistsError:
            self.check()
            existing = self._storage.size_and_hash(part.name)
        if existing == (part.bytes, part.sha256):
            # Sent twice: the response to the first request was lost.
            draft.discard()
        elif (part.name, *existing) in {(one.name, one.bytes, one.sha256) for one in self._known.all_parts}:
            # A late request of an attempt from which we have taken the folder over.
            self._storage.remove(part.name)
            draft.commit(part.name, is_new=True)
        else:
            raise _foreign_error(self._storage, [part.name])

    def publish_manifest(self, body: bytes, parts: list[Part]) -> None:
        """Make the manifest appear if its parts exist as they were written, and it replaces no foreign file.

        :raises MiniMaxError: a part has changed.
        """
        storage, etags = self._storage, self._state.etags

        def check() -> None:
            self.check()
            load_manifest(storage, storage.read(MANIFEST), self._kind)
            files = {file.name: file for file in storage.files()}
            name = first_damaged(parts, {file.name: file.size for file in files.values()})
            if name is None:
                names = (part.name for part in parts)
                name = next((name for name in names if etags.get(name, files[name].etag) != files[name].etag), None)
            if name is not None:
                raise MiniMaxError(
                    f"{storage.url(name)} is not what was written there: something else changes the folder. No "
                    "manifest was written. A retry names the file, or starts from scratch."
                )

        self._publish(MANIFEST, body, check)

    def _publish(self, name: str, body: bytes, check: Callable[[], None]) -> None:
        with storage_errors(self._storage.folder):
            try:
                self._storage.publish(name, body, check)
            except DraftGoneError:
                raise self._taken_over() from None

    def _save(self, state: Checkpoint) -> None:
        body = msgspec.json.encode(state)
        self._publish(CHECKPOINT, body, self.check)
        self._stored = body

    def remove(self, name: str) -> None:
        """Remove a file of ours."""
        with self.changing():
            self._storage.remove(name)

    def explain(self, error: MiniMaxError) -> MiniMaxError:
        """Return the cause of an error: a rival that takes the folder over discards drafts that are still written."""
        if self._checkpoint is None:
            return error
        try:
            self._check_owner()
        except MiniMaxError as reason:
            return reason if isinstance(reason, TakenOverError) else error
        return error

    def release(self) -> None:
        """Remove the checkpoint: the export is complete."""
        self.remove(CHECKPOINT)
        self._checkpoint = None

    def release_if_unused(self) -> None:
        """Remove the checkpoint of an attempt that has failed before its first result."""
        state = self._checkpoint
        if state is None or state.after is not None or state.is_complete:
            return
        # The error that ended the attempt is already raised, and a leftover checkpoint does no harm.
        with contextlib.suppress(MiniMaxError), storage_errors(self._storage.folder):
            if self._is_unused(state):
                self.release()

    def _is_unused(self, state: Checkpoint) -> bool:
        """Return whether the folder holds nothing that only this checkpoint makes ours."""
        # The older export is whole as long as its manifest stands.
        body = self._storage.read(MANIFEST)
        older = load_manifest(self._storage, body, self._kind) if _digest(body) == self._inspected[0] else None
        if (state.had_media or state.plan.get("media") is True) and not (older is not None and older.has_media):
            return False
        sizes, parts = self._storage.sizes(), [] if older is None else older.parts
        return all(part in parts for part in state.strays if part.name in sizes)

    @property
    def _state(self) -> Checkpoint:
        if self._checkpoint is None:
            raise ValueError("the folder has to be taken over first")
        return self._checkpoint

    def _taken_over(self) -> TakenOverError:
        return TakenOverError(
            f"Another export has taken {self._storage.folder} over. This one stops and changes nothing there; a retry "
            "takes it over in turn. Let one task at a time export to a folder."
        )


def _foreign_error(storage: Storage, names: list[str]) -> MiniMaxBadRequestError:
    more = "" if len(names) <= _MAX_NAMES else f" and {len(names) - _MAX_NAMES} more"
    return MiniMaxBadRequestError(
        f"{storage.folder} holds files that no export has written, or that were changed since: "
        f"{', '.join(names[:_MAX_NAMES])}{more}. They stay as they are. Choose another output_path, or remove them."
    )


def _is_media(name: str) -> bool:
    """Return whether a name within the folder is the name of an image's file."""
    folder, _, file = name.rpartition("/")
    return folder == MEDIA and stem_and_digits(file) is not None


def _digest(body: bytes | None) -> bytes:
    return b"" if body is None else hashlib.sha256(body).digest()
