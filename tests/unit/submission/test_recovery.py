"""Which jobs are recovered for a create whose response was lost, and which never."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_minimax.submission.record import Record
from airflow_provider_minimax.submission.recovery import (
    FILE_PROVES_FOR,
    JobList,
    RecoveredJobs,
    Recovery,
    foreign_jobs,
    reaches_back,
)
from airflow_provider_minimax.submission.times import CLOCK_SKEW
from tests.support import image_id

NOW = 1_800_000_000_000
#: Two images, submitted within the second that begins now.
IMAGES = Record(
    kind="image", fingerprint="f", reply_ref="ref", shared_ref=False, prompt="a cat", account="2", quantity=2,
    sent_after=NOW, sent_before=NOW + 1000, max_tries=3,
)  # fmt: skip


def video_id(number: int, account: str = "2") -> str:
    return f"user:1-minimax:{account}-video:{number}"


def file_id(number: int) -> str:
    return f"user:1-minimax:2-file:{number}"


#: A video, submitted when video 1 was the newest.
VIDEO = replace(IMAGES, kind="video", quantity=1, known_ids={"2": (video_id(1), video_id(0))})


def image(number: int, batch: str = "b", **other: Any) -> dict[str, Any]:
    return {"imageId": image_id(number), "batchID": batch, "desc": "a cat", "createTime": NOW + 500} | other


def video(number: int, *files: int, **other: Any) -> dict[str, Any]:
    return {
        "videoId": video_id(number), "desc": "a cat", "originFiles": [{"id": file_id(one)} for one in files],
    } | other  # fmt: skip


def at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


def running(job_id: str, ref: str | None = "ref", **other: Any) -> dict[str, Any]:
    return {"videoId": job_id} | ({"replyRef": ref} if ref else {}) | other


@dataclass
class Case:
    """What the service shows, and the jobs to recover from it."""

    name: str
    record: Record
    expected: tuple[str, ...] | None
    running: list[dict[str, Any]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)
    now: int = NOW + 2000
    by_ref: bool = False
    delay: int = 0
    is_complete: bool = True


PAIR = (image_id(1), image_id(2))
SHARED = replace(VIDEO, shared_ref=True)
LATE = NOW + 1000 + CLOCK_SKEW
FILED = {"fileID": file_id(7)}
TWO_FILES = FILED | {"fileID2": file_id(8)}

LONG = "a paper boat on a quiet river, " * 5


def skewed(skew: int) -> Record:
    return replace(IMAGES, clock_offset=skew, clock_margin=15_000)


CASES = [
    # The scheduler.
    Case("all of them run", IMAGES, PAIR, [running(one) for one in PAIR], by_ref=True),
    Case("under the other key", IMAGES, PAIR, [{"imageId": one, "replyRef": "ref"} for one in PAIR], by_ref=True),
    Case("twice in the listing", VIDEO, (video_id(2),), [running(video_id(2))] * 2, by_ref=True),
    Case("under another ref", VIDEO, None, [running(video_id(2), "other")]),
    Case("under no ref", VIDEO, None, [running(video_id(2), None)]),
    Case("of another kind", IMAGES, None, [running(video_id(1)), running(video_id(2))]),
    Case("of another account", VIDEO, None, [running(video_id(2, "3"))]),
    Case("without an account any will do", replace(VIDEO, account=None), (video_id(2, "3"),),
         [running(video_id(2, "3"))], by_ref=True),
    Case("no id", VIDEO, None, [running("1"), {"replyRef": "ref"}]),
    # Nobody else knows the ref, so it does not matter when: the clock of the service may be anything.
    *(Case(f"started {started}", VIDEO, (video_id(2),), [running(video_id(2), started=started)], by_ref=True)
      for started in (None, "soon", 5, at(NOW), at(NOW - CLOCK_SKEW - 1), at(LATE + 1))),
    Case("under no ref, and in the list", VIDEO, None, [running(video_id(2), None)], [video(2), video(1)]),
    Case("a ref that is none", VIDEO, None, [{"videoId": video_id(2), "replyRef": {}}], [video(2), video(1)]),
    Case("images under no ref", IMAGES, None, [running(one, None) for one in PAIR], [image(2), image(1)]),
    Case("beside one under no ref", IMAGES, PAIR, [running(image_id(3), None), running(image_id(4), None)],
         [image(4, "c"), image(3, "c"), image(2), image(1)]),
    Case("under a former ref", replace(VIDEO, earlier_refs=("older", "former")), (video_id(2),),
         [running(video_id(2), "former")], by_ref=True),
    Case("under both refs, the later one", replace(VIDEO, earlier_refs=("former",)), (video_id(3),),
         [running(video_id(2), "former"), running(video_id(3))], by_ref=True),
    Case("one runs, the list has both", IMAGES, PAIR, [running(image_id(2))], [image(2), image(1)], by_ref=True),
    Case("one runs, the list has others", IMAGES, None, [running(image_id(9))], [image(2), image(1)]),
    Case("more run than were submitted", IMAGES, None, [running(image_id(one)) for one in (1, 2, 3)]),

    # A ref of the user's own proves nothing by itself.
    Case("shared, not in the list", SHARED, None, [running(video_id(2))]),
    Case("shared, in the list", SHARED, (video_id(2),), [running(video_id(2))], [video(2), video(1)]),
    Case("shared, of other files", SHARED, None, [running(video_id(2))], [video(2, 8)], FILED),
    Case("shared, ours beside another's", SHARED, (video_id(3),), [running(video_id(2)), running(video_id(3))],
         [video(3, 7), video(2, 8), video(1)], FILED),

    # One whole batch of the list.
    Case("a batch", IMAGES, PAIR, [], [image(2), image(1)]),
    Case("beside another prompt", IMAGES, PAIR, [], [image(3, "c", desc="a dog"), image(2), image(1)]),
    Case("beside an old one", IMAGES, PAIR, [],
         [image(2), image(1), image(0, "a", createTime=NOW - CLOCK_SKEW - 1)]),
    Case("beside one that runs under another ref", IMAGES, PAIR,
         [running(image_id(3), "other"), running(image_id(4), "other")],
         [image(4, "c"), image(3, "c"), image(2), image(1)]),
    Case("beside one that ran under another ref", replace(IMAGES, foreign_ids=(image_id(3), image_id(4))), PAIR, [],
         [image(4, "c"), image(3, "c"), image(2), image(1)]),
    Case("blanks around the prompt", IMAGES, PAIR, [], [image(2, desc=" a cat "), image(1, desc="a cat\n")]),
    Case("two batches", IMAGES, None, [], [image(4, "c"), image(3, "c"), image(2), image(1)]),
    Case("too few", IMAGES, None, [], [image(2)]),
    Case("too many", IMAGES, None, [], [image(3), image(2), image(1)]),
    Case("one of each batch", IMAGES, None, [], [image(2, "c"), image(1)]),
    Case("made too late", IMAGES, None, [], [image(2), image(1, createTime=LATE + 1)]),
    Case("neither time nor what was there", IMAGES, None, [], [image(2, createTime=None), image(1, createTime=None)]),
    Case("of another account", IMAGES, None, [], [image(2, imageId=image_id(2, "3")), image(1)]),
    Case("there before", replace(IMAGES, known_ids={"2": (image_id(2),)}), None, [], [image(2), image(1)]),
    Case("after what was there", replace(IMAGES, known_ids={"2": (image_id(0),)}), PAIR, [],
         [image(2), image(1), image(0, "a")]),
    Case("the task's own former ones", replace(IMAGES, foreign_ids=PAIR), None, [], [image(2), image(1)]),
    Case("nothing", IMAGES, None),

    # What was asked for.
    Case("the model asked for", IMAGES, PAIR, [], [image(n, modelID="Nano-Banana-Pro") for n in (2, 1)],
         {"model": "nano-banana-pro"}),
    Case("another model", IMAGES, None, [], [image(n, modelID="image-01") for n in (2, 1)],
         {"model": "nano-banana-pro"}),
    Case("another than the default model", IMAGES, None, [], [image(n, modelID="gpt-image-2") for n in (2, 1)]),
    # The service may list a model under any name. One that is known to be another's excludes.
    *(Case(f"{model} listed as {shown!r}", IMAGES, PAIR, [], [image(n, modelID=shown) for n in (2, 1)],
           {"model": model, "aspectRatio": "auto"})
      for model, shown in (
          ("nano-banana-2", "nano_banana21_flash"), ("nano-banana-pro", " NANO-BANANA2 "), ("mj_v7", "midjourney-v7"),
          ("midjourney-v7", "mj_v7"), ("image-01", None), ("seedream-4.5", ""),
          ("from-tomorrow", "From-Tomorrow"),
      )),
    # An unknown one proves nothing: the batch may be of whoever compares models with one prompt.
    *(Case(f"{model} may be listed as {shown!r}", IMAGES, None, [], [image(n, modelID=shown) for n in (2, 1)],
           {"model": model, "aspectRatio": "auto"})
      for model, shown in (("seedream-5.0", "sd_v5"), ("from-tomorrow", "tomorrow_v1"), ("seedream-4.5", 7))),
    Case("an unknown name, and one image still runs under our ref", IMAGES, PAIR,
         [running(image_id(1), IMAGES.reply_ref)], [image(n, modelID="sd_v5") for n in (2, 1)],
         {"model": "seedream-5.0"}, by_ref=True),
    *(Case(f"{model} is not listed as {shown!r}", IMAGES, None, [], [image(n, modelID=shown) for n in (2, 1)],
           {"model": model, "aspectRatio": "auto"})
      for model, shown in (
          ("nano-banana-2", "nano-banana2"), ("nano-banana-pro", "nano-banana-2"), ("midjourney-v7", "mj_niji7"),
          ("seedream-5.0", "seedream-4.5"), ("from-tomorrow", "image-01"), ("image-01", "Nano_Banana21_Flash"),
      )),
    Case("beside one of a known other model", IMAGES, PAIR, [],
         [image(4, "c", modelID="mj_v7"), image(3, "c", modelID="mj_v7"), image(2), image(1)]),
    Case("beside one under an unknown name", IMAGES, None, [],
         [image(4, "c", modelID="x"), image(3, "c", modelID="x"), *(image(n, modelID="image-01") for n in (2, 1))]),
    Case("two under unknown names", IMAGES, None, [],
         [image(4, "c", modelID="x"), image(3, "c", modelID="x"), image(2, modelID="y"), image(1, modelID="y")]),
    Case("a video listed under another's internal number", VIDEO, None, [], [video(2, modelID=23001), video(1)]),
    Case("a video listed under a shared number", VIDEO, (video_id(2),), [], [video(2, modelID="23217"), video(1)],
         {"model": "T2V-2.3"}),

    # A batch is whole, or another create's.
    Case("the rest of a larger batch that ran under another ref", replace(IMAGES, foreign_ids=(image_id(3),)), None, [],
         [image(3), image(2), image(1)]),
    Case("the rest of a larger batch, in part of another prompt", IMAGES, None, [],
         [image(3, desc="a dog"), image(2), image(1)]),
    Case("the rest of a larger batch, in part from before", replace(IMAGES, known_ids={"2": (image_id(0),)}), None, [],
         [image(2), image(1), image(0)]),
    Case("the rest of a larger batch, in part without an id", IMAGES, None, [],
         [image(3, imageId=None), image(2), image(1)]),
    Case("another ratio", IMAGES, None, [], [image(n, aspectRatio="1:1") for n in (2, 1)], {"aspectRatio": "4:3"}),
    Case("another than the default ratio", IMAGES, None, [], [image(n, aspectRatio="1:1") for n in (2, 1)]),
    Case("a ratio left to the service", IMAGES, PAIR, [], [image(n, aspectRatio="1:1") for n in (2, 1)],
         {"model": "nano-banana-pro"}),
    Case("images of a file of ours", IMAGES, PAIR, [], [image(n, originFiles=[{"id": file_id(7)}]) for n in (2, 1)],
         {"characterFileId": file_id(7)}),
    Case("images that show no file", IMAGES, None, [], [image(2), image(1)], {"characterFileId": file_id(7)}),

    # Times, in whichever form, and by a clock that was compared.
    *(Case(f"created {created!r}", IMAGES, PAIR, [], [image(n, createTime=created) for n in (2, 1)])
      for created in (NOW // 1000, str(NOW // 1000), str(NOW), NOW / 1000)),
    *(Case(f"created {created!r}, long before", IMAGES, None, [], [image(n, createTime=created) for n in (2, 1)])
      for created in (NOW // 1000 - 600, str(NOW // 1000 - 600), str(NOW - 600_000))),
    *(Case(f"clock {skew:+} ms, ours", skewed(skew), PAIR, [], [image(n, createTime=NOW + 500 + skew) for n in (2, 1)])
      for skew in (-600_000, -20_000, 0, 20_000, 600_000)),
    *(Case(f"clock {skew:+} ms, of another run", skewed(skew), None, [],
           [image(n, createTime=NOW + 500) for n in (2, 1)]) for skew in (-600_000, 600_000)),
    Case("compared, within the margin", skewed(0), PAIR, [], [image(n, createTime=NOW - 15_000) for n in (2, 1)]),
    Case("compared, beyond the margin", skewed(0), None, [], [image(n, createTime=NOW - 15_001) for n in (2, 1)]),

    # The prompt, as a service may have stored it.
    Case("other line ends", replace(IMAGES, prompt="a cat\r\nin a hat"), PAIR, [],
         [image(n, desc="a cat\nin a hat") for n in (2, 1)]),
    Case("joined blanks", replace(IMAGES, prompt="a  cat\n\n in a\that "), PAIR, [],
         [image(n, desc="a cat in a hat") for n in (2, 1)]),
    Case("NFD for NFC", replace(IMAGES, prompt="caf\u00e9"), PAIR, [], [image(n, desc="cafe\u0301") for n in (2, 1)]),
    Case("NFC for NFD", replace(IMAGES, prompt="cafe\u0301"), PAIR, [], [image(n, desc="caf\u00e9") for n in (2, 1)]),
    Case("another accent", replace(IMAGES, prompt="caf\u00e9"), None, [], [image(n, desc="cafe") for n in (2, 1)]),
    *(Case(f"cut, with {end!r}", replace(IMAGES, prompt=LONG), PAIR, [],
           [image(n, desc=LONG[:120] + end) for n in (2, 1)]) for end in ("", "...", "\u2026", " ...", "\ufffd")),
    Case("cut too short", replace(IMAGES, prompt=LONG), None, [], [image(n, desc=LONG[:99]) for n in (2, 1)]),
    Case("cut, and another text", replace(IMAGES, prompt=LONG), None, [],
         [image(n, desc=LONG[:120] + "x") for n in (2, 1)]),
    Case("longer than ours", replace(IMAGES, prompt=LONG[:120]), None, [], [image(n, desc=LONG) for n in (2, 1)]),
    Case("cut, two batches", replace(IMAGES, prompt=LONG), None, [],
         [image(n, batch, desc=LONG[:120]) for n, batch in ((4, "c"), (3, "c"), (2, "b"), (1, "b"))]),
    # Prompts that begin alike are shown alike: of a series, one may be anybody's.
    Case("cut, like an old one", replace(IMAGES, prompt=LONG), None, [],
         [*(image(n, desc=LONG[:120]) for n in (2, 1)), image(0, "a", desc=LONG[:120], createTime=NOW - 86_400_000)]),
    Case("cut, like one of another task", replace(IMAGES, prompt=LONG), None, [running(image_id(5), "other")],
         [image(5, "c", desc=LONG[:120]), *(image(n, desc=LONG[:120]) for n in (2, 1))]),
    Case("truncated, in a mapped task", replace(IMAGES, prompt=LONG, is_mapped=True), None, [],
         [image(n, desc=LONG[:120]) for n in (2, 1)]),
    Case("whole, in a mapped task", replace(IMAGES, prompt=LONG, is_mapped=True), PAIR, [],
         [image(n, desc=LONG) for n in (2, 1)]),
    Case("truncated, in a mapped task, under our ref", replace(VIDEO, prompt=LONG, is_mapped=True), (video_id(2),),
         [running(video_id(2))], [video(2, desc=LONG[:120]), video(1)], by_ref=True),
    Case("whole, beside an old one", replace(IMAGES, prompt=LONG), PAIR, [],
         [*(image(n, desc=LONG) for n in (2, 1)), image(0, "a", desc=LONG, createTime=NOW - 86_400_000)]),
    *(Case(f"no text: {desc!r}", IMAGES, None, [], [image(n, desc=desc) for n in (2, 1)]) for desc in (5, ["a cat"])),

    # Videos: a list without times.
    Case("all that was there is gone", VIDEO, None, [], [video(9)]),
    Case("nothing was there, and nothing is", replace(VIDEO, known_ids={"2": ()}), None),
    Case("more than could be read", VIDEO, None, [], [video(2), video(1)], is_complete=False),
    Case("more than could be read, with times", IMAGES, None, [], [image(2), image(1)], is_complete=False),
    Case("after the task's own delay", VIDEO, (video_id(2),), [], [video(2), video(1)], now=LATE + 300_000,
         delay=300_000),
    Case("long after the task's own delay", VIDEO, None, [], [video(2), video(1)], now=LATE + 300_001, delay=300_000),
    Case("after a look that had shown all", replace(VIDEO, closed=True), None, [], [video(2), video(1)]),
    Case("after such a look, with a time", replace(VIDEO, closed=True), (video_id(2),), [],
         [video(2, createTime=NOW), video(1)]),
    Case("new", VIDEO, (video_id(2),), [], [video(2), video(1)]),
    Case("beside another prompt", VIDEO, (video_id(2),), [], [video(3, desc="a dog"), video(2), video(1)]),
    Case("the first of an account", replace(VIDEO, known_ids={"2": ()}), (video_id(2),), [], [video(2)]),
    Case("old, on top since a newer one was deleted", VIDEO, None, [], [video(1), video(0)]),
    Case("two new ones", VIDEO, None, [], [video(3), video(2), video(1)]),
    Case("nothing is known of before", replace(VIDEO, known_ids={}), None, [], [video(2), video(1)]),
    Case("but it names its time", replace(VIDEO, known_ids={}), (video_id(2),), [], [video(2, createTime=NOW)]),
    Case("long after", VIDEO, None, [], [video(2), video(1)], now=LATE + 1),
    Case("just in time", VIDEO, (video_id(2),), [], [video(2), video(1)], now=LATE),
    Case("of our file", VIDEO, (video_id(2),), [], [video(2, 7), video(1)], FILED),
    Case("of our file, a while after", VIDEO, (video_id(2),), [], [video(2, 7), video(1)], FILED, now=LATE + 1),
    Case("of our file, in the next run", VIDEO, None, [], [video(2, 7), video(1)], FILED,
         now=NOW + 1001 + FILE_PROVES_FOR),
    Case("of another file", VIDEO, None, [], [video(2, 8), video(1)], FILED),
    Case("of no file", VIDEO, None, [], [video(2), video(1)], FILED),
    Case("of a file that was not sent", VIDEO, None, [], [video(2, 7), video(1)]),
    Case("of ours and of another file", VIDEO, None, [], [video(2, 7, 8), video(1)], FILED),
    Case("of two files of ours", VIDEO, (video_id(2),), [], [video(2, 7, 8), video(1)], TWO_FILES),
    Case("of our second file only", VIDEO, None, [], [video(2, 8), video(1)], TWO_FILES),
    Case("files under their bare ids", VIDEO, (video_id(2),), [], [video(2, originFiles=[{"id": "7"}]), video(1)],
         FILED),
    Case("files that cannot be read", VIDEO, None, [], [video(2, originFiles=["7", {}, None])], FILED),
    Case("a video without prompt", replace(VIDEO, prompt=""), (video_id(2),), [],
         [video(2, 7, desc=None), video(1)], FILED),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_only_unambiguous_jobs_are_recovered(case: Case) -> None:
    expected = None if case.expected is None else RecoveredJobs(case.expected, case.by_ref)
    recovery = Recovery(case.record, case.body, case.now, case.delay)
    assert recovery.match(case.running, [JobList("2", case.listed, case.is_complete)]) == expected


def test_batches_that_match_are_reported() -> None:
    listed = [image(5, "d", modelID="mj_v7"), *(image(n, "c", modelID="x") for n in (4, 3)), image(2), image(1)]
    recovery = Recovery(IMAGES, {"model": "image-01"}, NOW + 2000)
    assert recovery.matching_batches([], [JobList("2", listed)]) == [(image_id(3), image_id(4)), PAIR]
    assert recovery.matching_batches([running(image_id(3), "other")], [JobList("2", listed)]) == [PAIR]


@pytest.mark.parametrize(
    ("shown", "given"),
    [
        ({"aspectRatio": "1:1"}, {"aspectRatio": "16:9"}),
        ({"modelID": "gpt-image-2"}, {"model": "image-01"}),
    ],
)
def test_a_batch_that_contradicts_only_a_documented_default_is_reported_but_not_adopted(
    shown: dict[str, Any], given: dict[str, Any]
) -> None:
    # The defaults of the service may have changed: then the batch is ours, and a resubmit would pay again.
    lists = [JobList("2", [image(n, **shown) for n in (2, 1)])]
    left_out = Recovery(IMAGES, {}, NOW + 2000)
    assert left_out.matching_batches([], lists) == [PAIR]
    assert left_out.match([], lists) is None
    ours = [running(image_id(1), IMAGES.reply_ref)]
    assert left_out.match(ours, lists) == RecoveredJobs(PAIR, by_ref=True)
    # What was sent is no default.
    assert Recovery(IMAGES, given, NOW + 2000).matching_batches([], lists) == []


def test_the_lists_of_all_accounts_are_searched_together() -> None:
    record = replace(VIDEO, account=None, known_ids={"2": (video_id(1),), "3": (video_id(5, "3"),)})
    ours = video(6) | {"videoId": video_id(6, "3")}
    third = JobList("3", [ours, video(5) | {"videoId": video_id(5, "3")}])
    recovery = Recovery(record, {}, NOW)
    assert recovery.match([], [JobList("2", [video(1)]), third]) == RecoveredJobs((video_id(6, "3"),), by_ref=False)
    assert recovery.match([], [JobList("2", [video(2), video(1)]), third]) is None
    # What cannot be read to its end may hold another one.
    assert recovery.match([], [JobList("2", [video(1)], is_complete=False), third]) is None
    # An account that was in error before the create, and is back: all that it holds looks new.
    back = Recovery(replace(record, known_ids={"3": (video_id(5, "3"),)}), {}, NOW)
    assert back.match([], [JobList("2", [video(2), video(1)]), JobList("3", third.jobs[1:])]) is None


def test_a_running_job_without_our_ref_is_foreign() -> None:
    entries = [
        running(image_id(1)),
        running(image_id(2), "other"),
        running(image_id(3), None),
        running(video_id(4), "x"),
    ]
    # Without a ref, too: ours always has one.
    assert foreign_jobs(IMAGES, entries) == [image_id(2), image_id(3)]
    assert foreign_jobs(replace(IMAGES, earlier_refs=("other",)), entries) == [image_id(3)]


@pytest.mark.parametrize(
    ("record", "page", "expected"),
    [
        (IMAGES, [image(2), image(1)], False),
        (IMAGES, [image(2), image(1, createTime=NOW - CLOCK_SKEW - 1)], True),
        (replace(IMAGES, known_ids={"2": (image_id(1),)}), [image(2), image(1)], True),
        (VIDEO, [video(3), video(2)], False),
        (VIDEO, [video(2), video(1)], True),
        (replace(VIDEO, known_ids={}), [video(2), video(1)], False),
        (VIDEO, [], False),
    ],
)
def test_a_list_is_read_back_to_the_jobs_from_before_the_create(
    record: Record, page: list[dict[str, Any]], expected: bool
) -> None:
    assert reaches_back(record, "2", page) is expected
