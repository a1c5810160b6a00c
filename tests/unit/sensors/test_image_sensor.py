"""The sensor in its three modes, driven as Airflow drives it, against the sandbox.

The end of a wait has to be the same whether the sensor pokes, is rescheduled or is deferred. Each case of the
matrix is one way for a wait to end, with one of the sensor's flags.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from tests.support import connect

try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:
    # Airflow 3.1
    from airflow.exceptions import AirflowRescheduleException

MODES = ("poke", "reschedule", "deferrable")
READ = "GET /images/{id}"

pytestmark = pytest.mark.usefixtures("quick_rounds")


class TaskInstance:
    """What a sensor uses of its task instance."""

    def __init__(self) -> None:
        self.try_number = 1
        self.first_reschedule: datetime | None = None

    def get_first_reschedule_date(self, context: object) -> datetime | None:
        return self.first_reschedule


class Store(dict[str, Any]):
    """A task state store, as Airflow 3.3 keeps one over all processes of a task instance."""

    def set(self, key: str, value: object) -> None:
        self[key] = value


def run(
    make: Callable[[], MiniMaxImageSensor], mode: str, *, store: Store | None = None, most_processes: int = 200
) -> Any:
    """Run a sensor to its end as a scheduler, a worker and a triggerer would: each process has its own object."""
    ti = TaskInstance()
    context: Any = {"ti": ti, "task_state_store": Store() if store is None else store}
    for _ in range(most_processes):
        sensor = make()
        sensor.mode = "reschedule" if mode == "reschedule" else "poke"
        sensor.deferrable = mode == "deferrable"
        # Airflow warns of an execute that no task runner called.
        execute = type(sensor).execute.__wrapped__
        try:
            return execute(sensor, context)
        except AirflowRescheduleException:
            ti.first_reschedule = ti.first_reschedule or datetime.now(UTC)
        except TaskDeferred as deferred:
            event = asyncio.run(first_event(deferred))
            return make().resume_execution(deferred.method_name, {"event": event}, context)
    raise AssertionError("the sensor never ended")


async def first_event(deferred: TaskDeferred) -> object:
    """Store the trigger and read it back, as Airflow does, and run it until it fires."""
    classpath, kwargs = deferred.trigger.serialize()
    trigger = type(deferred.trigger)(**kwargs)
    assert classpath.endswith(type(trigger).__name__)
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def sensor(image_id: object, **options: Any) -> Callable[[], MiniMaxImageSensor]:
    arguments: dict[str, Any] = {"poke_interval": 0.01, "timeout": 30, **options}
    return lambda: MiniMaxImageSensor(task_id="wait", image_id=image_id, **arguments)


class Ways:
    """Ways for a wait to end. Each prepares the sandbox and returns the id to wait for."""

    @staticmethod
    def completed(sandbox: Sandbox) -> str:
        return sandbox.create_image("a lamp")[0]

    @staticmethod
    def moderated(sandbox: Sandbox) -> str:
        return sandbox.create_image("a lamp [moderate]")[0]

    @staticmethod
    def failed(sandbox: Sandbox) -> str:
        return sandbox.create_image("a lamp [fail]")[0]

    @staticmethod
    def gone(sandbox: Sandbox) -> str:
        return sandbox.create_image("a lamp")[0] + "0"

    @staticmethod
    def bad_id(sandbox: Sandbox) -> str:
        return "1234"

    @staticmethod
    def bad_token(sandbox: Sandbox) -> str:
        sandbox.fail("401", operation=READ, skip=1, times=1000)
        return sandbox.create_image("a lamp [stuck]")[0]

    @staticmethod
    def on_hold(sandbox: Sandbox) -> str:
        sandbox.fail("596", operation=READ, skip=1, times=1000)
        return sandbox.create_image("a lamp [stuck]")[0]

    @staticmethod
    def broken(sandbox: Sandbox) -> str:
        sandbox.fail("502-html", operation=READ, skip=1, times=1000)
        return sandbox.create_image("a lamp [stuck]")[0]

    @staticmethod
    def blip(sandbox: Sandbox) -> str:
        sandbox.fail("502-html", operation=READ, skip=1, times=timing.MAX_FAILURES - 1)
        return sandbox.create_image("a lamp")[0]

    @staticmethod
    def stuck(sandbox: Sandbox) -> str:
        return sandbox.create_image("a lamp [stuck]")[0]


SKIPPED = AirflowSkipException
#: way -> how it ends with no flag, soft_fail, never_fail, silent_fail. None is success.
ENDS: dict[str, tuple[type[BaseException] | None, ...]] = {
    "completed": (None, None, None, None),
    "blip": (None, None, None, None),
    "moderated": (errors.MiniMaxModeratedError, SKIPPED, SKIPPED, errors.MiniMaxModeratedError),
    "failed": (errors.MiniMaxJobFailedError, SKIPPED, SKIPPED, errors.MiniMaxJobFailedError),
    "gone": (errors.MiniMaxNotFoundError, SKIPPED, SKIPPED, errors.MiniMaxNotFoundError),
    "bad_id": (errors.MiniMaxBadRequestError, SKIPPED, SKIPPED, errors.MiniMaxBadRequestError),
    "bad_token": (errors.MiniMaxAuthError, SKIPPED, SKIPPED, errors.MiniMaxAuthError),
    # A retry may help against these two: soft_fail leaves them to it, as Airflow does in poke mode.
    "on_hold": (errors.MiniMaxAccountOnHoldError, errors.MiniMaxAccountOnHoldError, SKIPPED, AirflowSensorTimeout),
    "broken": (errors.MiniMaxUpstreamError, errors.MiniMaxUpstreamError, SKIPPED, AirflowSensorTimeout),
    "stuck": (AirflowSensorTimeout, SKIPPED, SKIPPED, AirflowSensorTimeout),
}
FLAGS: tuple[dict[str, bool], ...] = ({}, {"soft_fail": True}, {"never_fail": True}, {"silent_fail": True})


def cases() -> Iterator[Any]:
    for way, ends in ENDS.items():
        for flag, end in zip(FLAGS, ends, strict=True):
            for mode in MODES:
                yield pytest.param(way, flag, end, mode, id=f"{way}-{next(iter(flag), 'no_flag')}-{mode}")


@pytest.mark.parametrize(("way", "flag", "end", "mode"), cases())
def test_a_wait_ends_alike_in_every_mode(
    sandbox: Sandbox, way: str, flag: dict[str, bool], end: type[BaseException] | None, mode: str
) -> None:
    image_id = getattr(Ways, way)(sandbox)
    ends_by_time = end is AirflowSensorTimeout or way == "stuck"
    make = sensor(image_id, timeout=0.3 if ends_by_time else 30, **flag)
    if end is None:
        assert run(make, mode)["imageId"] == image_id
        return
    with pytest.raises(end) as raised:
        run(make, mode)
    assert type(raised.value) is end
    if way == "stuck":
        assert f"{image_id} (" in str(raised.value)
    if end is SKIPPED:
        assert next(iter(flag)) in str(raised.value)


@pytest.mark.parametrize("mode", MODES)
def test_a_list_comes_back_in_the_order_of_the_task(sandbox: Sandbox, mode: str) -> None:
    first, second = sandbox.create_image("two lamps", quantity=2)
    found = run(sensor([second, first, second]), mode)
    assert [image["imageId"] for image in found] == [second, first, second]


@pytest.mark.parametrize("mode", MODES)
def test_any_ends_with_the_first_success(sandbox: Sandbox, mode: str) -> None:
    (stuck,) = sandbox.create_image("a lamp [stuck]")
    (failed,) = sandbox.create_image("a lamp [fail]")
    (good,) = sandbox.create_image("a lamp")
    found = run(sensor([stuck, failed, good], require="any"), mode)
    assert [image["imageId"] for image in found] == [good]


@pytest.mark.parametrize("mode", MODES)
def test_accepted_statuses_are_success(sandbox: Sandbox, mode: str) -> None:
    image_id = Ways.moderated(sandbox)
    assert run(sensor(image_id, accept_statuses=["moderated"]), mode)["statusLabel"] == "moderated"


def test_an_image_that_is_final_needs_no_deferral(sandbox: Sandbox) -> None:
    image_id = next(image["imageId"] for image in sandbox.all_images() if image["status"] == 2)
    before = sandbox.stats.count(READ)
    assert run(sensor(image_id), "deferrable")["imageId"] == image_id
    assert sandbox.stats.count(READ) == before + 1


def test_a_list_rendered_as_text_is_read_as_a_list(sandbox: Sandbox) -> None:
    ids = sandbox.create_image("two lamps", quantity=2)
    assert [image["imageId"] for image in run(sensor(str(ids)), "poke")] == ids


@pytest.mark.parametrize(
    ("image_id", "words"),
    [
        (None, "No image id was given"),
        ("", "No image id was given"),
        ([], "the list is empty"),
        ("[]", "the list is empty"),
        ("[oops", "is not a list of ids"),
        ([None], "No image id was given"),
        ("12345", "is not a full image id"),
        ("user:1-minimax:2-video:3", "is an id of kind video"),
        ({"imageId": "x"}, "is not a full image id|No image id was given"),
    ],
)
def test_an_invalid_image_id_is_refused_before_any_request(sandbox: Sandbox, image_id: object, words: str) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match=words):
        run(sensor(image_id), "poke")
    assert not sandbox.calls


def test_an_image_of_another_account_is_refused_before_any_request(sandbox: Sandbox) -> None:
    image_id = sandbox.all_images()[0]["imageId"]
    with pytest.raises(errors.MiniMaxBadRequestError, match="belongs to account"):
        run(sensor(image_id, account="1"), "poke")
    assert not sandbox.calls


@pytest.mark.parametrize("mode", MODES)
def test_the_account_of_the_connection_does_not_restrict_ids(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    connect(monkeypatch, sandbox.url, sandbox.token, account="1")
    image_id = Ways.completed(sandbox)
    assert run(sensor(image_id), mode)["imageId"] == image_id


def test_more_images_than_an_event_carries_come_back_all_the_same(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=130))
    done = [image for image in sandbox.all_images() if image["status"] == 2]
    ids = [image["imageId"] for image in done][:101]
    assert len(ids) == 101
    waiting = sensor(ids)()
    found = waiting.execute_complete({"ti": TaskInstance()}, {"end": "left to a worker"})  # type: ignore[typeddict-item]
    assert found == run(sensor(ids), "poke")


@pytest.mark.parametrize(
    ("options", "end", "words"),
    [
        pytest.param({}, AirflowSensorTimeout, "within 1800 s: the trigger sent no event", id="as usual"),
        pytest.param({"execution_timeout": timedelta(seconds=60)}, AirflowTaskTimeout, "of 60 s", id="the shorter one"),
        pytest.param({"execution_timeout": timedelta(hours=2)}, AirflowSensorTimeout, "1800 s", id="the longer one"),
        pytest.param(
            {"execution_timeout": timedelta(seconds=60), "start_from_trigger": False, "deferrable": True},
            AirflowSensorTimeout,
            "1800 s",
            id="deferred by a worker, where it is that of each process",
        ),
        pytest.param(
            {"execution_timeout": timedelta(seconds=60), "soft_fail": True}, SKIPPED, "of 60 s", id="the shorter, soft"
        ),
    ],
)
def test_a_trigger_that_airflow_ended_is_reported_with_the_timeout_that_applied(
    options: dict[str, Any], end: type[BaseException], words: str
) -> None:
    waiting = sensor("x", **{"start_from_trigger": True, "timeout": 1800, **options})()
    with pytest.raises(end, match=words) as raised:
        waiting.resume_execution("__fail__", {"error": "Trigger timeout"}, {})  # type: ignore[typeddict-item]
    assert type(raised.value) is end


@pytest.mark.parametrize(
    ("options", "words"),
    [({"require": "most"}, "require"), ({"accept_statuses": ["lost"]}, "accept_statuses")],
)
def test_constants_are_checked_when_the_dag_is_read(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sensor("x", **options)()


def test_a_rescheduled_sensor_counts_failures_over_its_processes(sandbox: Sandbox) -> None:
    image_id = Ways.broken(sandbox)
    with pytest.raises(errors.MiniMaxUpstreamError):
        run(sensor(image_id), "reschedule")
    assert sandbox.stats.count(READ) == 1 + timing.MAX_FAILURES


def test_a_retry_does_not_inherit_the_failures_of_the_attempt_before(sandbox: Sandbox) -> None:
    image_id = Ways.completed(sandbox)
    sandbox.fail("502-html", operation=READ, times=timing.MAX_FAILURES - 1)
    store = Store(minimax_failures={"try_number": 0, "failures": timing.MAX_FAILURES - 1})
    assert run(sensor(image_id), "reschedule", store=store)["imageId"] == image_id


def test_the_interval_has_jitter_and_backs_off_while_the_service_fails(sandbox: Sandbox) -> None:
    image_id = Ways.broken(sandbox)
    made = sensor(image_id, poke_interval=0.002)()
    context: Any = {"ti": SimpleNamespace(try_number=1)}
    made.poke(context)
    calm = made._get_next_poke_interval(0.0, lambda: 0.0, 1)
    for _ in range(2):
        made.poke(context)
    assert 0.002 <= calm <= 0.0022
    assert made._get_next_poke_interval(0.0, lambda: 0.0, 1) >= 0.008


def test_errors_that_no_retry_can_mend_are_never_retried() -> None:
    final = {end for ends in ENDS.values() for end in ends if end not in (None, SKIPPED, AirflowSensorTimeout)}
    fatal = {end for end in final if issubclass(end, AirflowFailException)}
    assert final - fatal == {errors.MiniMaxAccountOnHoldError, errors.MiniMaxUpstreamError}
