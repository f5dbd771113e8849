"""The Docker engine the cluster runs on: the one that runs, else one of our own below the cache directory.

Our own engine has its own socket, data, bridge and process group, so that it can be stopped without a trace.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster import debian, firewall, kernel_traces, own_processes
from e2e.cluster.commands import HarnessError, find_program, output, succeeds
from e2e.cluster.paths import cache_dir, log_dir, run_dir
from e2e.cluster.steps import tail

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from e2e.cluster.steps import Step

_PROGRAMS = {"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables", "ip": "iproute2"}
_BRIDGE = "eventplane0"
_BRIDGE_ADDRESS = "10.213.77.1/24"
_LONGEST_SOCKET_DIR = 60  # a unix socket's path has 108 bytes, and the engine appends to ours
_STOP_SECONDS = 30.0
_children: list[subprocess.Popen[bytes]] = []
"""Engines that this interpreter started: they outlive it, and must not be taken for forgotten before it ends."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers."""

    ours: bool
    environment: Mapping[str, str] = field(default_factory=dict)

    def docker(self, *words: str | Path, feed: bytes | None = None, timeout: float = 120.0) -> str:
        """Run a docker command and return its output; raises CommandError."""
        return output(["docker", *words], env=self.environment, feed=feed, timeout=timeout)

    @property
    def build_environment(self) -> dict[str, str]:
        """Variables for `docker build`: the classic builder, which every engine and client has."""
        return {**self.environment, "DOCKER_BUILDKIT": "0"}

    def has_image(self, reference: str) -> bool:
        """Say whether the engine holds an image."""
        return succeeds(["docker", "image", "inspect", reference], env=self.environment)

    def remove_images(self, *patterns: str, keep: Collection[str] = ()) -> None:
        """Remove the images whose names match, e.g. `eventplane/*`, but those to keep and those in use."""
        filters = [word for pattern in patterns for word in ("--filter", f"reference={pattern}")]
        names = self.docker("image", "ls", *filters, "--format", "{{.Repository}}:{{.Tag}}").split()
        for name in set(names) - set(keep):
            succeeds(["docker", "image", "rm", name], env=self.environment)


def running() -> Engine | None:
    """Return the engine that answers: our own if it runs, else the machine's; None without one."""
    if find_program("docker") is None:
        return None
    own = Engine(ours=True, environment={"DOCKER_HOST": f"unix://{_socket()}"})
    for engine in (own, Engine(ours=False)):
        if engine.ours and not _socket().exists():
            continue
        if succeeds(["docker", "version", "--format", "{{.Server.Version}}"], env=engine.environment, timeout=10):
            return engine
    return None


def ensure(step: Step) -> Engine:
    """Return an engine that answers, starting our own when there is none.

    Raises:
        HarnessError: there is none and none can be started here; the message says what to install.
    """
    found = running()
    if found:
        step.result("ours runs" if found.ours else "the machine's runs")
        return found
    if not debian.can_install():
        raise HarnessError(
            "no Docker engine answers, and one can only be started here as root on Debian. "
            "Install Docker (https://docs.docker.com/engine/install/) and start it."
        )
    debian.ensure_programs(_PROGRAMS, step)
    _clear_remains()
    step.doing("starting dockerd", log_dir() / "dockerd.log")
    engine = _start()
    step.result("started our own")
    return engine


def left_behind() -> bool:
    """Say whether an engine of ours once ran here and has not been stopped properly."""
    return _runtime_dir().exists() or _firewall_record().exists()


def stop(step: Step) -> None:
    """Stop our own engine and take away its bridges, rules and runtime files; the images stay in the cache."""
    bridges = [_BRIDGE]
    found = running()
    if found and found.ours:
        bridges += _network_bridges(found)
        found.docker("network", "prune", "--force")
    _clear_remains()
    if find_program("iptables"):
        firewall.restore(_firewall_record(), bridges)
    for bridge in bridges:
        if Path(f"/sys/class/net/{bridge}").exists():
            output(["ip", "link", "delete", bridge])
    for directory in (_runtime_dir(), _data_dir()):
        kernel_traces.unmount_below(directory)
    kernel_traces.remove_empty()
    shutil.rmtree(_runtime_dir(), ignore_errors=True)
    step.result("stopped")


def _start() -> Engine:
    runtime = _runtime_dir()
    runtime.mkdir(parents=True, exist_ok=True)
    runtime.chmod(0o700)
    (runtime / "daemon.json").write_text("{}")  # the machine's own configuration is for its own engine
    firewall.remember(_firewall_record())
    _ensure_bridge()
    with (log_dir() / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(find_program("dockerd")),
                *("--host", f"unix://{_socket()}"),
                *("--data-root", str(_data_dir())),
                *("--exec-root", str(runtime / "exec")),
                *("--pidfile", str(_pid_file())),
                *("--config-file", str(runtime / "daemon.json")),
                *("--bridge", _BRIDGE),  # a bridge we made: the engine neither adopts nor deletes anyone else's
                *("--log-level", "warn"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(process)
    engine = Engine(ours=True, environment={"DOCKER_HOST": f"unix://{_socket()}"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if _socket().exists() and succeeds(["docker", "version"], env=engine.environment, timeout=10):
            return engine
        time.sleep(0.1)
    if process.poll() is None:
        process.terminate()
        process.wait(_STOP_SECONDS)
    log_file = log_dir() / "dockerd.log"
    raise HarnessError(f"dockerd did not start; the end of {log_file}:\n{tail(log_file)}")


def _ensure_bridge() -> None:
    if not Path(f"/sys/class/net/{_BRIDGE}").exists():
        output(["ip", "link", "add", _BRIDGE, "type", "bridge"])
        output(["ip", "address", "add", _BRIDGE_ADDRESS, "dev", _BRIDGE])
    output(["ip", "link", "set", _BRIDGE, "up"])


def _network_bridges(engine: Engine) -> list[str]:
    listing = ("--no-trunc", "--filter", "driver=bridge", "--format", "{{.ID}} {{.Name}}")
    identifiers = engine.docker("network", "ls", *listing)
    return [f"br-{line.split()[0][:12]}" for line in identifiers.splitlines() if line.split()[1] != "bridge"]


def _clear_remains() -> None:
    """Stop the engine's processes, also those that outlived a killed engine: containerd and containers' shims."""
    for pid_file in (_pid_file(), _runtime_dir() / "exec" / "containerd" / "containerd.pid"):
        pid = own_processes.recorded(pid_file, str(_runtime_dir()))
        if pid:
            own_processes.stop(pid)
        pid_file.unlink(missing_ok=True)
    for pid in own_processes.named("containerd-shim", str(_runtime_dir() / "exec")):
        own_processes.stop(pid)


def _runtime_dir() -> Path:
    wanted = run_dir() / "engine"
    if len(str(wanted)) <= _LONGEST_SOCKET_DIR:
        return wanted
    key = hashlib.sha256(str(wanted).encode()).hexdigest()[:8]
    return Path("/run") / f"eventplane-{key}"


def _data_dir() -> Path:
    return cache_dir() / "docker"


def _socket() -> Path:
    return _runtime_dir() / "docker.sock"


def _pid_file() -> Path:
    return _runtime_dir() / "docker.pid"


def _firewall_record() -> Path:
    return run_dir() / "firewall.json"
