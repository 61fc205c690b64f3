from __future__ import annotations

import time

import pytest
import torch

from fmnistlab.errors import ConfigurationError
from fmnistlab.training.steps import threads
from fmnistlab.training.steps.threads import cpu_threads, fastest_threads, possible_threads


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(ConfigurationError, match="threads is 0"), cpu_threads(0):
        pass


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 3.0, 2: 2.0, 4: 5.0}, 2),
        ({1: 1.0, 2: 0.95, 4: 0.97}, 1),  # not a tenth better
        ({1: 1.0, 2: 4.0, 4: 8.0}, 1),
        ({1: 8.0, 2: 4.0, 4: 2.0}, 4),
    ],
)
def test_the_fastest_number_is_taken_if_it_gains_a_tenth(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], chosen: int
) -> None:
    """The clock is the test's: each call takes what the table says, but for two slow outliers."""
    clock = [0.0]
    calls: list[int] = []

    def work() -> None:
        calls.append(torch.get_num_threads())
        slow = 100.0 if calls.count(calls[-1]) in (1, 4) else 1.0
        clock[0] += slow * seconds[calls[-1]]

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(threads, "possible_threads", lambda: [1, 2, 4])
    number, medians = fastest_threads(work)
    assert number == chosen
    assert medians == pytest.approx(seconds)
    assert calls[:6] == [1, 2, 4, 1, 2, 4]


def test_possible_numbers_double_up_to_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert possible_threads()[0] == 1
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(6), raising=False)
    assert possible_threads() == [1, 2, 4]
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(5000), raising=False)
    assert possible_threads()[-1] == threads.MAX_THREADS
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert possible_threads() == [1]
