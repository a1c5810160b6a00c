"""A task as Airflow would run it, without Airflow: a store that outlives tries, and tries."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, TypeAdapter

from airflow_provider_minimax.compat import TaskDeferred
from airflow_provider_minimax.submission.record_store import KEY

if TYPE_CHECKING:
    from airflow_provider_minimax.sandbox import Sandbox

IMAGES = "POST /images/create"
VIDEOS = "POST /videos/create"
CREATE = {"image": IMAGES, "video": VIDEOS}


#: As strict as Airflow's own store: no tuples, for one.
JSON: TypeAdapter[Any] = TypeAdapter(JsonValue)


class MemoryStore:
    """What Airflow 3.3 gives a task as ``task_state_store``."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.dumps(JSON.validate_python(value))


class FileStore:
    """The same in a file, for tries that are processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _read(self) -> dict[str, Any]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get(self, key: str, default: Any = None) -> Any:
        return self._read().get(key, default)

    def set(self, key: str, value: Any) -> None:
        unfinished = self.path.with_suffix(".new")
        unfinished.write_text(json.dumps({**self._read(), key: value}))
        unfinished.replace(self.path)


def add_earlier_videos(sandbox: Sandbox) -> None:
    """Give each account a video: nothing confirms that a list of videos is empty, so a lost one is not adopted."""
    for account in sandbox.accounts:
        sandbox.finish(sandbox.create_video("an earlier one", account=account))
    sandbox.stats.creates.clear()


@dataclass
class Task:
    """A task instance: its tries share a store and a number of tries."""

    store: Any = field(default_factory=MemoryStore)
    max_tries: int = 3
    state: str | None = "running"
    try_number: int = 0
    map_index: int = -1
    xcoms: dict[str, Any] = field(default_factory=dict)

    def context(self) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="dag", task_id="task", run_id="run", map_index=self.map_index,
            max_tries=self.max_tries, try_number=self.try_number,
            get_task_states=lambda *_, **__: {"run": {"task": self.state}},
            xcom_push=lambda key, value: self.xcoms.update({key: JSON.validate_python(value)}),
            xcom_pull=lambda _, key, **__: self.xcoms.get(key),
        )  # fmt: skip
        return {"ti": ti} | ({"task_state_store": self.store} if self.store is not None else {})

    def clear(self) -> None:
        self.max_tries = self.try_number + 3

    def age(self, seconds: float) -> None:
        """Make the stored create so many seconds older."""
        record = self.store.get(KEY)
        earlier = {name: record[name] - int(seconds * 1000) for name in ("sent_after", "sent_before")}
        self.store.set(KEY, record | earlier)

    def run(self, operator: Any) -> Any:
        """Run one try, from its start."""
        self.try_number += 1
        # As Airflow does.
        self.xcoms.clear()
        return type(operator).execute.__wrapped__(operator, self.context())

    def deferral(self, operator: Any) -> TaskDeferred:
        """Run one try that has to end in a deferral."""
        try:
            result = self.run(operator)
        except TaskDeferred as deferred:
            return deferred
        raise AssertionError(f"it did not defer but returned {result!r}")
