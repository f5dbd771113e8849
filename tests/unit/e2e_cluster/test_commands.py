"""How the harness runs other programs: output, logs with their tails, and nothing left running."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from e2e.cluster import commands
from e2e.cluster.lock import exclusively
from e2e.cluster.parallel import both
from e2e.cluster.paths import log_dir
from e2e.cluster.steps import Step, last_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTPLANE_CACHE", str(tmp_path / "cache"))


def test_a_failure_names_the_program_its_code_and_last_words() -> None:
    with pytest.raises(commands.CommandError, match=r"failed \(3\): too bad"):
        commands.output([sys.executable, "-c", "import sys; sys.stderr.write('too bad'); sys.exit(3)"])


def test_a_program_that_is_not_there_is_a_command_error() -> None:
    with pytest.raises(commands.CommandError, match="no-such-program is not installed"):
        commands.output(["no-such-program"])


def test_a_slow_program_is_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(commands.CommandError, match="gave no answer"):
        commands.output(["sleep", "60"], timeout=0.2)
    assert time.monotonic() - began < 5


def test_input_is_fed_and_output_returned() -> None:
    assert commands.output(["cat"], feed=b"both ways") == "both ways"


def test_a_long_programs_failure_shows_the_logs_tail_and_path() -> None:
    with pytest.raises(commands.CommandError, match=r"(?s)words\.log:.*the end"):
        commands.logged(["sh", "-c", "seq 100; echo the end; exit 1"], "words", Step("test"))


def test_a_pipe_feeds_one_program_to_the_other() -> None:
    commands.piped(["printf", "through"], ["tr", "t", "T"], "pipe", Step("test"), env={})
    assert last_line(log_dir() / "pipe.log") == "Through"


def test_a_pipes_first_program_may_not_fail_unseen() -> None:
    with pytest.raises(commands.CommandError, match=r"false failed \(1\)"):
        commands.piped(["false"], ["cat"], "pipe", Step("test"), env={})


def test_stopping_reaches_the_children_of_what_runs(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"sleep 60 & echo $! >{child}.new; mv {child}.new {child}; wait"
    failures: list[commands.CommandError] = []

    def run() -> None:
        try:
            commands.logged(["sh", "-c", script], "parent", Step("test"))
        except commands.CommandError as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    while not child.exists():
        time.sleep(0.01)
    commands.stop_running()
    thread.join(10)
    assert len(failures) == 1
    deadline = time.monotonic() + 10
    while _lives(int(child.read_text())) and time.monotonic() < deadline:  # it was told, and may still be at it
        time.sleep(0.01)
    assert not _lives(int(child.read_text()))


def test_one_sides_failure_stops_what_the_other_waits_for() -> None:
    def fail() -> None:
        raise commands.HarnessError("no network")

    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(commands.logged, ["sleep", "60"], "sleep", Step("test"))
        while not waiting.running():
            time.sleep(0.01)
        time.sleep(0.2)  # until its program runs
        with pytest.raises(commands.HarnessError, match="no network"):
            both(waiting, pool.submit(fail))
    assert time.monotonic() - began < 10


def test_both_results_are_returned() -> None:
    with ThreadPoolExecutor(2) as pool:
        assert both(pool.submit(int, "1"), pool.submit(str, 2)) == (1, "2")


def test_a_second_up_waits_for_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def second() -> None:
        with exclusively():
            order.append("second")

    with exclusively():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "waiting for process" in capsys.readouterr().out


def _lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
