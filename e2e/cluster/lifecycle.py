"""Brings the whole environment up and down: engine, node image, network, cluster, messaging servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from e2e import servers
from e2e.cluster import base_image, current_cluster, go_build, kind_cluster, node_image, programs
from e2e.cluster import engine as engines
from e2e.cluster.lock import exclusively
from e2e.cluster.parallel import both
from e2e.cluster.paths import delete_cache, run_dir
from e2e.cluster.steps import step

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.cluster.cluster import Cluster
    from e2e.cluster.engine import Engine
    from e2e.cluster.programs import Programs


def up() -> Cluster:
    """Bring everything up that does not run yet and return the cluster.

    A half-made or dead cluster is replaced. On failure nothing is left half-started but the engine and what the
    caches hold, which the next up uses and the next down removes.

    Raises:
        HarnessError: something failed; the message has the end of its log and the log's path.
    """
    with exclusively():
        if current_cluster.wanted():
            found = current_cluster.use()
            _start_servers(found.gateway)
            return found
        with step("engine") as current:
            engine = engines.ensure(current)
        gateway = kind_cluster.ensure_network(engine)
        # Downloads, compilers and boots wait on different things: on two cores the sum of them halves.
        with ThreadPoolExecutor(max_workers=2) as pool:
            serving = pool.submit(_start_servers, gateway)
            making = pool.submit(_ensure_cluster, engine, gateway)
            return both(making, serving)[0]


def down(*, purge: bool = False) -> None:
    """Stop exactly what up started; with `purge` delete the caches too.

    Raises:
        HarnessError: something does not stop.
    """
    with exclusively():
        with step("servers") as current:
            servers.stop(servers_dir())
            current.result("stopped")
        if current_cluster.wanted():
            current_cluster.forget()
        else:
            _stop_cluster(purge=purge)
    if purge:
        delete_cache()


def _ensure_cluster(engine: Engine, gateway: str) -> Cluster:
    with step("cluster") as current:
        current.doing("asking the cluster that was there")
        found = kind_cluster.usable(engine, patience=60)
        if found:
            current.result(f"{found.name} runs")
            return found
        current.result("not there, or not usable")
    image, chosen = _node_and_programs(engine)
    with step("cluster") as current:
        created = kind_cluster.create(engine, chosen, image, gateway, current)
        current.result(f"{created.name} is up")
        return created


def _node_and_programs(engine: Engine) -> tuple[str, Programs]:
    with step("node image") as current:
        image = node_image.pull(engine, current)
        built = node_image.built_reference()
        if image or engine.has_image(built):
            current.result(f"have {image or built}")
            kubernetes = None if image else go_build.programs(go_build.KUBERNETES, current)
            return image or built, programs.choose(kubernetes, current)
        current.result("no registry answers: building it here; the first time takes about ten minutes on two cores")
    return _build_node(engine)


def _build_node(engine: Engine) -> tuple[str, Programs]:
    with step("kind's node files") as current:
        kind_source = go_build.module_source(go_build.KIND, "sigs.k8s.io/kind", current)
    with ThreadPoolExecutor(max_workers=2) as pool:
        system = pool.submit(_build_system, engine, kind_source)
        compiling = pool.submit(_compile)
        (kubernetes, coredns, pause, chosen), system_name = both(compiling, system)
    with step("node image") as current:
        image = node_image.assemble(engine, system_name, kubernetes, coredns, pause, current)
    go_build.drop_build_cache()
    return image, chosen


def _build_system(engine: Engine, kind_source: Path) -> str:
    with step("base image") as current:
        base_image.ensure(engine, current)
    with step("node system") as current:
        return node_image.build_system(engine, kind_source, current)


def _compile() -> tuple[Path, Path, Path, Programs]:
    with step("Go programs") as current:
        kubernetes, coredns, pause = (
            go_build.programs(module, current) for module in (go_build.KUBERNETES, go_build.COREDNS, go_build.PAUSE)
        )
        return kubernetes, coredns, pause, programs.choose(kubernetes, current)


def _start_servers(gateway: str) -> None:
    with step("servers") as current:
        current.doing("starting messaging servers")
        servers.start(gateway, servers_dir())
        current.result(f"run at {gateway}")


def servers_dir() -> Path:
    """Return where the shared messaging servers keep their state."""
    return run_dir() / "servers"


def _stop_cluster(*, purge: bool) -> None:
    with step("cluster") as current:
        engine = engines.running()
        if engine is None and engines.left_behind():
            engine = engines.ensure(current)  # a dead engine's containers can only be removed by an engine
        if engine is None:
            current.result("no engine, no cluster")
            return
        kind_cluster.delete(engine)
        kind_cluster.delete_network(engine)
        current.result("deleted")
    if purge and not engine.ours:
        engine.remove_images("eventplane/*")
    if engine.ours:
        with step("engine") as current:
            engines.stop(current)
