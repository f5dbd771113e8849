"""What the harness decides from what an earlier run left: state, processes, mounts and packet filter rules."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e2e.cluster import firewall, kernel_traces, own_processes, paths
from e2e.cluster.cluster import Cluster, restored

FRESH = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [9:9]
-A INPUT -s 10.9.0.0/16 -j ACCEPT
COMMIT
"""
USED = """\
*filter
:INPUT ACCEPT [7:7]
:FORWARD ACCEPT [0:0]
:DOCKER - [0:0]
-A INPUT -s 10.9.0.0/16 -j ACCEPT
-A INPUT -s 10.8.0.0/16 -j ACCEPT
-A FORWARD -o eventplane0 -j DOCKER
-A FORWARD -i br-ours ! -o br-ours -m comment --comment "two words" -j ACCEPT
-A FORWARD -i br-theirs -j ACCEPT
COMMIT
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("EVENTPLANE_CACHE", str(cache))
    return cache


def test_a_saved_cluster_is_restored_and_private(tmp_path: Path) -> None:
    cluster = Cluster("eventplane", tmp_path / "config", tmp_path / "kubectl", tmp_path / "helm", "172.18.0.1")
    file = tmp_path / "cluster.json"
    cluster.save(file)
    assert restored(file) == cluster
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"name": "eventplane"}'])
def test_a_missing_or_broken_record_is_no_cluster(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "cluster.json"
    if content is not None:
        file.write_text(content)
    assert restored(file) is None


def test_packet_filter_loses_the_engines_rules_and_keeps_everybody_elses() -> None:
    assert [" ".join(words) for words in firewall.leftovers(FRESH, USED, ("eventplane0", "br-ours"))] == [
        "-t filter -D FORWARD -o eventplane0 -j DOCKER",
        "-t filter -D FORWARD -i br-ours ! -o br-ours -m comment --comment two words -j ACCEPT",
        "-t filter -F DOCKER",
        "-t filter -X DOCKER",
        "-t filter -P FORWARD DROP",
    ]


def test_packet_filter_of_a_machine_that_had_none_goes_back_to_accept() -> None:
    assert firewall.leftovers("", "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n", ()) == [
        ["-t", "filter", "-P", "FORWARD", "ACCEPT"],
    ]


def test_packet_filter_of_another_engine_is_left_alone() -> None:
    assert firewall.leftovers(USED, USED, ("eventplane0",)) == []


def test_mounts_below_a_directory_are_found_the_deepest_first() -> None:
    mounts = "overlay /c/run/a rw\nnsfs /c/run/a/b\\040c nsfs rw\nproc /c/running proc rw\n"
    assert kernel_traces.mounted_below(mounts, Path("/c/run")) == [Path("/c/run/a/b c"), Path("/c/run/a")]


def test_a_pid_reused_by_another_program_is_not_ours(tmp_path: Path) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    assert own_processes.recorded(pid_file, "/nobody/has/this") is None


def test_a_process_of_ours_is_known_and_stopped(tmp_path: Path) -> None:
    pid_file = tmp_path / "docker.pid"
    started = tmp_path / "started"
    script = f"open({str(started)!r}, 'w'); input()"
    with subprocess.Popen([sys.executable, "-c", script, "our-mark"], stdin=subprocess.PIPE) as process:
        while not started.exists():
            time.sleep(0.01)
        pid_file.write_text(str(process.pid))
        assert own_processes.recorded(pid_file, "our-mark") == process.pid
        assert own_processes.named("python", "our-mark") == [process.pid]
        own_processes.stop(process.pid)
    assert own_processes.recorded(pid_file, "our-mark") is None


def test_scratch_left_by_a_crash_is_gone_the_next_time() -> None:
    with paths.scratch_dir("work") as scratch:
        kept = scratch
        (scratch / "half").touch()
        with paths.scratch_dir("work") as again:
            assert list(again.iterdir()) == []
    assert not kept.exists()


def test_only_a_directory_of_our_making_is_purged(own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "precious").touch()
    paths.bin_dir()
    with pytest.raises(PermissionError, match="not made by the harness"):
        paths.delete_cache()
    assert (own_cache / "precious").exists()


def test_our_own_directory_is_purged(own_cache: Path) -> None:
    paths.bin_dir()
    paths.delete_cache()
    assert not own_cache.exists()
