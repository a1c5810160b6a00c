"""What a long walk says in the log."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_minimax.export.progress import WalkProgress, describe


@pytest.mark.parametrize(
    ("scanned", "chosen", "total", "seconds", "line"),
    [
        pytest.param(
            1000, 900, 4135, 10.0,
            "1,000 of 4,135 images read (24 %), 900 exported, 100/s, at most 31 s left", id="seconds left",
        ),
        pytest.param(
            1000, 0, 100_000, 10.0,
            "1,000 of 100,000 images read (1 %), 0 exported, 100/s, at most 16 min left", id="minutes left",
        ),
        pytest.param(
            100, 0, 1290, 10.0,
            "100 of 1,290 images read (7 %), 0 exported, 10/s, at most 119 s left", id="just under two minutes",
        ),
        pytest.param(
            100, 0, 1300, 10.0,
            "100 of 1,300 images read (7 %), 0 exported, 10/s, at most 2 min left", id="two minutes",
        ),
        pytest.param(
            50, 50, 50, 5.0,
            "50 of 50 images read (100 %), 50 exported, 10/s, at most 0 s left", id="all read",
        ),
        pytest.param(50, 50, None, 5.0, "50 images read, 50 exported, 10/s", id="no total"),
        pytest.param(50, 50, 0, 5.0, "50 images read, 50 exported, 10/s", id="total 0"),
        pytest.param(50, 50, 40, 5.0, "50 images read, 50 exported, 10/s", id="a total that is outrun"),
        pytest.param(50, 50, 100, 0.0, "50 images read, 50 exported, 0/s", id="no time"),
        pytest.param(0, 0, 100, 5.0, "0 images read, 0 exported, 0/s", id="nothing read"),
        pytest.param(1_234_567, 5, None, 1.0, "1,234,567 images read, 5 exported, 1,234,567/s", id="many"),
    ],
)  # fmt: skip
def test_a_line_shows_progress_rate_and_time_left(
    scanned: int, chosen: int, total: int | None, seconds: float, line: str
) -> None:
    assert describe(scanned, chosen, total, seconds) == line


def test_there_is_at_most_one_line_in_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    progress = WalkProgress(clock=lambda: now)
    with caplog.at_level(logging.INFO):
        for step in range(1, 41):
            now = 100.0 + step / 2
            progress.update(step * 10, step, 1000)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" of ")[0] for line in lines] == ["100", "200", "300", "400"]
    assert all(", 20/s, " in line for line in lines), "the rate since the beginning"


def test_a_short_walk_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        WalkProgress(clock=lambda: 0.0).update(10, 10, 10)
    assert caplog.records == []


def test_a_pause_is_followed_by_one_line_and_not_by_many(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 60.0, 60.1, 64.9, 65.0])
    progress = WalkProgress(clock=lambda: next(times))
    with caplog.at_level(logging.INFO):
        for scanned in (1, 2, 3, 4):
            progress.update(scanned, 0, None)
    assert [record.getMessage()[0] for record in caplog.records] == ["1", "4"]
