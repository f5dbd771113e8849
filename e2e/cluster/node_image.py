"""Provides the kind node image: Docker Hub's where it answers, else one built here from Debian and Go modules."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster import base_image, go_build, image_archive, registry
from e2e.cluster.commands import Words, logged
from e2e.cluster.content_key import content_key
from e2e.cluster.paths import scratch_dir

if TYPE_CHECKING:
    from e2e.cluster.engine import Engine
    from e2e.cluster.steps import Step

PUBLIC_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
_FILES = Path(__file__).parent / "node"
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Versions that kubeadm 1.37 and kind 0.33 ask for by name.
_ETCD = "registry.k8s.io/etcd:3.7.0-0"
_COREDNS = "registry.k8s.io/coredns/coredns:v1.14.6"
_PAUSE = ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10.2")
_BUILDER = "eventplane-node-build"
_SCRIPT = """
set -e
chown root:root /usr/bin/kube*
chmod 755 /usr/bin/kube*
containerd >/run/containerd.log 2>&1 &
containerd=$!
for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
for archive in /archives/*.tar; do
  ctr -n k8s.io images import --label=io.cri-containerd.pinned=pinned --all-platforms --no-unpack --digests "$archive"
done
kill $containerd
wait $containerd || true
rm -rf /run/containerd /run/containerd.log
"""


def pull(engine: Engine, step: Step) -> str | None:
    """Return the public image, pulled; None where no registry gives it."""
    return PUBLIC_IMAGE if registry.pull(engine, PUBLIC_IMAGE, step) else None


def built_reference() -> str:
    """Return the name of the image that the present recipe gives."""
    modules = (go_build.KUBERNETES, go_build.COREDNS, go_build.PAUSE, go_build.KIND)
    recipe = (Path(__file__), Path(image_archive.__file__), _FILES)
    return f"eventplane/node:{content_key(base_image.reference(), *recipe, *(module.directory for module in modules))}"


def build_system(engine: Engine, kind_source: Path, step: Step) -> str:
    """Make the node's operating system, without Kubernetes, on the base image; return its name.

    Args:
        engine: where it is made.
        kind_source: directory of kind's module, which carries the node's files.
        step: what the user is told about.
    """
    files = kind_source / "images" / "base" / "files"
    name = f"eventplane/node-system:{content_key(base_image.reference(), files, _FILES)}"
    if engine.has_image(name):
        step.result("present")
        return name
    with scratch_dir("node-system") as context:
        shutil.copytree(files, context / "kind")
        shutil.copytree(_FILES / "manifests", context / "manifests")
        dockerfile = _FILES / "Dockerfile"
        arguments = {"BASE_IMAGE": base_image.reference(), **_proxies()}
        _docker_build(engine, context, dockerfile, name, arguments, step, network="host")
    step.result(f"made {name}")
    return name


def assemble(engine: Engine, system: str, kubernetes: Path, coredns: Path, pause: Path, step: Step) -> str:
    """Put Kubernetes and its images into the operating system; return the node image's name.

    Args:
        engine: where it is made.
        system: image made by `build_system`.
        kubernetes: directory of the Kubernetes programs, etcd (named `server`) among them.
        coredns: directory of CoreDNS.
        pause: directory of the pause program.
        step: what the user is told about.
    """
    name = built_reference()
    with scratch_dir("node-image") as scratch:
        archives = scratch / "archives"
        archives.mkdir()
        step.doing("packing images")
        _pack_images(engine, system, (kubernetes, coredns, pause), archives)
        step.doing("assembling the node")
        _commit_node(engine, system, kubernetes, archives, name)
    engine.remove_images("eventplane/node", "eventplane/node-system", keep=(name, system))
    step.result(f"made {name}")
    return name


def without_privilege(engine: Engine, node: str, step: Step) -> str:
    """Return a variant of a node image for engines that cannot grant CAP_SYS_RESOURCE."""
    name = f"eventplane/node-unprivileged:{content_key(node, _FILES)}"
    if not engine.has_image(name):
        with scratch_dir("node-unprivileged") as context:
            shutil.copy(_FILES / "entrypoint-unprivileged", context)
            dockerfile = _FILES / "unprivileged.Dockerfile"
            _docker_build(engine, context, dockerfile, name, {"NODE_IMAGE": node}, step, network="none")
        engine.remove_images("eventplane/node-unprivileged", keep=(name,))
    return name


def _pack_images(engine: Engine, system: str, programs: tuple[Path, Path, Path], archives: Path) -> None:
    kubernetes, coredns, pause = programs
    version = go_build.KUBERNETES_VERSION
    for component in _CONTROL_PLANE:
        _pack(archives, (f"registry.k8s.io/{component}:{version}",), kubernetes / component, component)
    _pack(archives, (_ETCD,), kubernetes / "server", "etcd")
    _pack(archives, (_COREDNS,), coredns / "coredns", "coredns")
    _pack(archives, _PAUSE, pause / "pause", "pause")
    root = archives / "kube-proxy-root"
    root.mkdir()
    mounts = ("-v", f"{root}:/out", "-v", f"{_FILES / 'kube-proxy-root'}:/gather:ro")
    engine.docker("run", "--rm", "--network", "none", *mounts, "--entrypoint", "bash", system, "/gather")
    _pack(archives, (f"registry.k8s.io/kube-proxy:{version}",), kubernetes / "kube-proxy", "kube-proxy", root)


def _pack(archives: Path, names: tuple[str, ...], program: Path, as_name: str, root: Path | None = None) -> None:
    root = root or archives / f"{as_name}-root"
    place = root / "usr" / "local" / "bin" / as_name
    for directory in (place.parent, root / "tmp"):
        directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, place)
    image_archive.write_archive(archives / f"{as_name}.tar", names, [f"/usr/local/bin/{as_name}"], root)
    shutil.rmtree(root)


def _commit_node(engine: Engine, system: str, kubernetes: Path, archives: Path, name: str) -> None:
    engine.docker("rm", "--force", "--volumes", _BUILDER)
    isolation = ("--network", "none", "--security-opt", "seccomp=unconfined")
    mounts = ("-v", f"{archives}:/archives:ro", "--entrypoint", "sleep")
    engine.docker("run", "--detach", "--name", _BUILDER, *isolation, *mounts, system, "infinity")
    try:
        for program in ("kubelet", "kubectl", "kubeadm"):
            engine.docker("cp", kubernetes / program, f"{_BUILDER}:/usr/bin/{program}")
        version = f"printf {go_build.KUBERNETES_VERSION} >/kind/version"
        engine.docker("exec", _BUILDER, "bash", "-c", f"{version}\n{_SCRIPT}", timeout=300)
        entrypoint = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        engine.docker("commit", "--change", entrypoint, _BUILDER, name, timeout=300)
    finally:
        engine.docker("rm", "--force", "--volumes", _BUILDER)


def _docker_build(
    engine: Engine,
    context: Path,
    dockerfile: Path,
    name: str,
    arguments: dict[str, str],
    step: Step,
    *,
    network: str,
) -> None:
    given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    words: Words = ["--network", network, "--force-rm", "--file", dockerfile, "--tag", name, *given, context]
    logged(["docker", "build", *words], dockerfile.stem.lower() + "-build", step, env=engine.build_environment)


def _proxies() -> dict[str, str]:
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {name: os.environ[name] for name in names if name in os.environ}
