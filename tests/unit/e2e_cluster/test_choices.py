"""What the harness chooses: which cluster, which program, whether an image must be loaded or made again."""

from __future__ import annotations

import json
import tarfile
from typing import IO, TYPE_CHECKING

import pytest

from e2e.cluster import current_cluster, debian, image_archive, image_loading, programs, registry
from e2e.cluster.commands import HarnessError
from e2e.cluster.content_key import content_key

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "eventplane/operator:dev"
IDENTITY = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("context", "addresses", "local"),
    [
        ("anything", ["127.0.0.1"], True),
        ("kind-eventplane", ["127.0.0.1"], True),
        ("minikube", ["192.168.49.2"], True),
        ("office", ["192.168.49.2"], False),
        ("minikube", ["34.1.2.3"], False),
        ("kind-eventplane", ["127.0.0.1", "34.1.2.3"], False),
        ("kind-eventplane", [], False),
    ],
)
def test_only_a_local_cluster_is_used_unasked(context: str, addresses: list[str], local: bool) -> None:  # noqa: FBT001
    assert current_cluster.is_local(context, addresses) is local


def test_a_kubeconfig_without_context_is_refused() -> None:
    with pytest.raises(HarnessError, match="no current context"):
        current_cluster.context_and_server({"clusters": [], "current-context": ""})


@pytest.mark.parametrize(("value", "wanted"), [("", False), ("kind", False), ("current", True)])
def test_the_variable_chooses_the_cluster(monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool) -> None:  # noqa: FBT001
    monkeypatch.setenv("EVENTPLANE_CLUSTER", value)
    assert current_cluster.wanted() is wanted


def test_a_misspelt_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTPLANE_CLUSTER", "remote")
    with pytest.raises(HarnessError, match="remote"):
        current_cluster.wanted()


@pytest.mark.parametrize(
    ("text", "version"),
    [("kind v0.33.0 go1.26.8 linux/amd64", (0, 33)), ("v3.22", (3, 22)), ("v4.3.1+g1", (4, 3)), ("none", (0, 0))],
)
def test_versions_are_read_from_what_programs_print(text: str, version: tuple[int, int]) -> None:
    assert programs.version_in(text) == version


def test_images_are_built_where_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTPLANE_IMAGES", "build")
    registry.answers.cache_clear()
    assert registry.answers() is False
    registry.answers.cache_clear()


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        ("Types: deb\n# http://old.example/debian\nURIs: http://deb.example/debian\n", "http://deb.example/debian"),
        (
            "deb https://a.example/debian-security s main\ndeb https://a.example/debian/ s main",
            "https://a.example/debian/",
        ),
        ("deb http://archive.example/ubuntu noble main", None),
        ("", None),
    ],
)
def test_debian_comes_from_where_the_machine_has_it(sources: str, mirror: str | None) -> None:
    assert debian.mirror_in(sources) == mirror


@pytest.mark.parametrize(
    ("listed", "held"),
    [
        (f"docker.io/{IMAGE} type sha256:m1\n{IDENTITY} type sha256:m1\n", True),
        (f"docker.io/{IMAGE} type sha256:m1\n{IDENTITY} type sha256:m2\n", False),
        (f"docker.io/{IMAGE} type sha256:m1\n", False),
        ("REF TYPE DIGEST\n", False),
        ("", False),
    ],
)
def test_an_image_is_loaded_unless_the_node_holds_exactly_it(listed: str, held: bool) -> None:  # noqa: FBT001
    assert image_loading.holds(listed, {IMAGE: IDENTITY}) is held


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("python:3.13", "docker.io/library/python:3.13"),
        (IMAGE, f"docker.io/{IMAGE}"),
        ("localhost/a:1", "localhost/a:1"),
        ("registry.example:5000/a:1", "registry.example:5000/a:1"),
    ],
)
def test_references_get_the_registry_that_engines_leave_out(reference: str, full: str) -> None:
    assert image_loading.full_reference(reference) == full


def test_a_key_depends_on_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = content_key("x", tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").touch()
    assert content_key("x", tmp_path) == first
    (tmp_path / "a").rename(tmp_path / "b")
    assert content_key("x", tmp_path) != first


def test_a_key_keeps_neighbours_apart() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")


def test_an_archive_is_one_layer_owned_by_root_and_always_the_same(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "pause").write_text("program")
    for name in ("one.tar", "two.tar"):
        image_archive.write_archive(tmp_path / name, ["example/pause:1"], ["/bin/pause"], root)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        manifest = json.load(_file(archive, "manifest.json"))[0]
        config = json.load(_file(archive, manifest["Config"]))
        with tarfile.open(fileobj=_file(archive, manifest["Layers"][0])) as layer:
            owners = {(entry.name, entry.uid, entry.mtime) for entry in layer}
    assert manifest["RepoTags"] == ["example/pause:1"]
    assert config["config"]["Entrypoint"] == ["/bin/pause"]
    assert owners == {("bin", 0, 0), ("bin/pause", 0, 0)}


def _file(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    assert content is not None
    return content
