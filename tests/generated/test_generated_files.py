"""The generated files are those that the models and the chart give, and the check of it notices what it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from eventplane.api.crd import KINDS, crd
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from hack import generate
from hack.chart_files import chart_readme
from hack.crd_files import crd_files
from hack.reference_pages import reference_pages
from hack.sdk_pages import sdk_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MODELS = {"EventBus": EventBus, "EventTopic": EventTopic}
SAMPLES = sorted((generate.ROOT / "manifests/samples").glob("*.yaml"))


def test_what_is_committed_is_what_the_models_give() -> None:
    pages = reference_pages() | sdk_pages()
    assert not "".join(generate.differences(crd_files() | pages | chart_readme(generate.ROOT)))


def test_what_is_committed_is_what_models_and_chart_give(helm: Path) -> None:
    assert not "".join(generate.differences(generate.generated(helm)))


def test_a_generated_file_that_was_edited_or_is_missing_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    wanted = crd_files() | reference_pages()
    generate.write(wanted)
    assert generate.differences(wanted) == []
    edited, missing = tmp_path / "docs/reference/eventbus.md", tmp_path / "docs/reference/eventtopic.md"
    edited.write_text(edited.read_text().replace("# EventBus\n", "# Bus\n"))
    missing.unlink()
    shown = generate.differences(wanted)
    assert len(shown) == 2
    assert "-# Bus\n+# EventBus\n" in "".join(shown)
    assert "+# EventTopic\n" in "".join(shown)


def test_a_file_of_a_kind_that_is_gone_is_shown_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    stale = tmp_path / "crds/events.sindhan.ai_gone.yaml"
    generate.write(crd_files())
    stale.write_text("kind: Gone\n")
    assert "-kind: Gone\n" in "".join(generate.differences(crd_files()))
    generate.write(crd_files())
    assert not stale.exists()


def test_the_static_manifest_holds_no_secret_and_no_webhook() -> None:
    documents = [each for each in yaml.safe_load_all((generate.ROOT / "manifests/install.yaml").read_text()) if each]
    kinds = [each["kind"] for each in documents]
    assert kinds[: len(KINDS) + 1] == ["Namespace", *["CustomResourceDefinition"] * len(KINDS)]
    assert "Deployment" in kinds
    assert not {"Secret", "ValidatingWebhookConfiguration"} & set(kinds)


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_a_sample_is_what_the_models_read(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        assert "namespace" not in document["metadata"], "whoever applies a sample says where"
        if document["kind"] in MODELS:
            metadata = {**document["metadata"], "namespace": "shop", "uid": "1"}
            resource = MODELS[document["kind"]].model_validate({**document, "metadata": metadata})
            assert set(document["spec"]) <= set(resource.to_wire()["spec"])


def test_every_field_is_explained() -> None:
    for kind in KINDS:
        schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert list(unexplained(schema["properties"]["spec"], f"{kind.kind}.spec")) == []
        assert list(unexplained(schema["properties"]["status"], f"{kind.kind}.status")) == []


def unexplained(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, child in schema.get("properties", {}).items():
        if "description" not in child:
            yield f"{path}.{name}"
        yield from unexplained(child, f"{path}.{name}")
    if "items" in schema:
        yield from unexplained(schema["items"], f"{path}[]")
