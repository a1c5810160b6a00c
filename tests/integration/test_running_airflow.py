"""Waits in a running Airflow: scheduler, triggerer, workers, each a process of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import ENDED, RunningAirflow, until
from tests.integration.conftest import MANY

WAITS = 50


def test_fifty_waits_survive_the_loss_of_their_triggerer(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    """And so do those beside them that began in the triggerer, whose deadline and ids no worker has written down."""
    sandbox.reset(MANY)
    (constant,) = sandbox.create_image("lamp [hold]")
    ids = [image_id for n in range(WAITS) for image_id in sandbox.create_image(f"lamp {n} [hold]")]
    run_id = airflow.trigger("many_waits", ids=ids)

    def states(task_id: str = "wait") -> Counter[str]:
        return airflow.states("many_waits", run_id, task_id)

    until(lambda: states()["deferred"] == WAITS)
    until(lambda: states("constant")["deferred"] == states("template")["deferred"] == 1)
    for task_id, map_index in (("wait", 0), ("constant", -1)):
        page = airflow.log("many_waits", run_id, task_id, map_index)
        assert [line for line in page if "Could not read" in line] == []
    before = sandbox.stats.requests.copy()
    until(lambda: sandbox.stats.count("GET /images/") >= before["GET /images/"] + 5)
    asked = sandbox.stats.requests - before
    # Beside the list, a few jobs are checked by their ids when they take long.
    assert asked["GET /images/{id}"] < WAITS, "one poll for all, and it is read from the list"

    for image_id in ids[: WAITS // 2]:
        sandbox.release(image_id)
    until(lambda: states()["success"] > 0)

    def release_the_others() -> None:
        for image_id in (constant, *ids[WAITS // 2 :]):
            sandbox.release(image_id)

    airflow.replace("triggerer", meanwhile=release_the_others)
    until(lambda: states()["success"] == WAITS)
    until(lambda: all(states(task_id)["success"] == 1 for task_id in ("collect", "constant", "template")))
    files = {image["imageId"]: image["fileID"] for image in sandbox.all_images()}
    assert set(airflow.xcom("many_waits", run_id, "collect")) == {files[image_id] for image_id in ids}
    assert airflow.xcom("many_waits", run_id, "constant")["fileID"] == files[constant]
    assert airflow.xcom("many_waits", run_id, "template")["fileID"] == files[ids[-1]]
    starts = airflow.worker_starts("many_waits", run_id)
    assert (starts["constant"], starts["template"]) == (0, 0)


def test_a_wait_needs_no_worker(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    """Neither to begin nor to end; and what does need one gets one."""
    sandbox.reset(replace(sandbox.config, images=10, step_seconds=0.5))
    ids = [sandbox.create_image(f"lamp {n}")[0] for n in range(3)]
    (bad,) = sandbox.create_image("lamp [moderate]")
    (stuck,) = sandbox.create_image("lamp [stuck]")
    run_id = airflow.trigger("workerless_waits", ids=ids, image=ids[0], bad=bad, stuck=stuck)
    until(lambda: airflow.run_state("workerless_waits", run_id) in ENDED)

    found = airflow.tasks("workerless_waits", run_id)
    states = {f"{ti['task_id']}[{ti['map_index']}]": ti["state"] for ti in found}
    ended_badly = {name: state for name, state in states.items() if state != "success"}
    assert ended_badly == {
        "moderated[-1]": "failed",
        "skipped[-1]": "skipped",
        "late[-1]": "failed",
        "listed[1]": "failed",
    }

    files = {image["imageId"]: image["fileID"] for image in sandbox.all_images()}
    expected = [files[image_id] for image_id in ids]
    assert airflow.xcom("workerless_waits", run_id, "use_template") == expected[0]
    assert airflow.xcom("workerless_waits", run_id, "use_xcom") == expected
    assert sorted(airflow.xcom("workerless_waits", run_id, "use_mapped")) == sorted(expected)

    # The button of a task that no worker has seen, and of one that a worker has ended.
    addresses = {image["imageId"]: image["downloadURL"] for image in sandbox.all_images() if "downloadURL" in image}
    assert airflow.links("workerless_waits", run_id, "template") == {"Open media": addresses[ids[0]]}
    assert airflow.links("workerless_waits", run_id, "moderated") == {"Open media": None}

    starts = airflow.worker_starts("workerless_waits", run_id)
    assert {"template", "conf", "pulled", "xcom", "mapped"} & starts.keys() == set()
    # What a worker has to end, or to begin. Of the two in `listed` one ends well.
    assert starts["moderated"] == starts["skipped"] == starts["late"] == starts["listed"] == 1
    assert starts["computed"] >= 1
    assert starts["made"] == 1
