"""The command's manners: help, one line on stderr, exit codes, files that are checked or written."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from eventplane.cli.failure import CommandError
from eventplane.cli.main import main
from eventplane.cli.schema_codegen import select_version
from eventplane.planning.schema_state import Definition, RegisteredVersion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from commands import Ended

    Eventplane = Callable[..., Ended]

REGISTRY = ("--registry", "http://localhost:1")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--help"], ["schema", "dead-letters"]),
        (["schema", "--help"], ["check", "codegen"]),
        (
            ["schema", "check", "--help"],
            ["--against", "--reference", "EVENTPLANE_REGISTRY_PASSWORD", "exit codes", "examples"],
        ),
        (["dead-letters", "--help"], ["list", "replay"]),
        (["dead-letters", "list", "--help"], ["--since", "--reason", "exit codes", "examples"]),
        (["dead-letters", "replay", "--help"], ["--execute", "--to", "stay where they are", "exit codes", "examples"]),
        (["schema", "codegen", "--help"], ["--output", "--check", "eventplane[codegen]", "exit codes", "examples"]),
    ],
)
def test_help_says_what_there_is(words: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert [word for word in expected if word not in text] == []


def test_no_help_offers_to_take_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "codegen"):
        with pytest.raises(SystemExit):
            main(["schema", command, "--help"])
        assert "--password" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["schema", "nothing"], "invalid choice: 'nothing'"),
        (["schema", "check", "{}/order.avsc", *REGISTRY], "required: --against"),
        (["schema", "check", "{}/order.avsc", "--against", "a"], "required: --registry"),
        (["schema", "check", "{}/gone.avsc", "--against", "a", *REGISTRY], "gone.avsc: No such file"),
        (["schema", "check", "{}/order.txt", "--against", "a", *REGISTRY], "add --type"),
        (["schema", "check", "{}/binary.avsc", "--against", "a", *REGISTRY], "is not UTF-8"),
        (["schema", "check", "{}/order.avsc", "--against", "a", "--registry", "localhost"], "begins with http"),
        (
            ["schema", "check", "{}/order.avsc", "--against", "a", "--registry", "http://u:secret@h"],
            "shows credentials",
        ),
        (["schema", "check", "{}/order.avsc", "--against", "a", *REGISTRY, "--timeout", "0"], "between 0 and 3600"),
        (["schema", "check", "{}/order.avsc", "--against", "a", *REGISTRY, "--timeout", "soon"], "invalid"),
        (
            ["schema", "check", "{}/order.avsc", "--against", "a", *REGISTRY, "--reference", "a=b"],
            "NAME=SUBJECT:VERSION",
        ),
        (["schema", "check", "{}/order.avsc", "--against", "a", *REGISTRY, "--ca", "{}/gone.pem"], "the CA file"),
        (["dead-letters", "list"], "required: TOPIC"),
        (["dead-letters", "list", "t", "--kafka", "k:1", "--config", "-"], "not allowed with"),
        (["dead-letters", "list", "t", "--kafka", "k:1", "--reason", "Mood"], "invalid choice: 'Mood'"),
        (["dead-letters", "list", "t", "--kafka", "k:1", "--since", "soon"], "'soon' is neither a time such as"),
        (["dead-letters", "list", "t", "--kafka", "k:1", "--at", "17"], "PARTITION:OFFSET"),
        (["dead-letters", "list", "t", "--kafka", "k:1", "--limit", "0"], "0 is not 1 or more"),
        (["dead-letters", "list", "t", "--config", "{}/gone.json"], "gone.json: No such file"),
        (["dead-letters", "list", "t", "--config", "{}/order.avsc"], "no key of a broker_config"),
        (["dead-letters", "list", "t", "--config", "{}/binary.avsc"], "is not JSON"),
        (["schema", "codegen", "--output", "{}/o.py"], "FILE, or --subject"),
        (["schema", "codegen", "{}/order.avsc", "--subject", "a", "--output", "{}/o.py"], "FILE, or --subject"),
        (["schema", "codegen", "--subject", "a", "--output", "{}/o.py"], "--subject needs --registry"),
        (["schema", "codegen", "{}/order.avsc", "--output", "{}/o.txt"], "end in .py"),
        (["schema", "codegen", "{}/order.avsc", "--output", "{}/order.json/o.py"], "cannot write"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_2(
    eventplane: Eventplane, folder: Path, words: list[str], message: str
) -> None:
    (folder / "order.txt").touch()
    (folder / "binary.avsc").write_bytes(b"\xff\xfe")
    ended = eventplane(*(word.replace("{}", str(folder)) for word in words))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("eventplane: ")
    assert ended.err.count("\n") == 1
    assert message in ended.err
    assert "secret" not in ended.err


def test_half_of_the_credentials_is_refused(
    eventplane: Eventplane, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTPLANE_REGISTRY_USERNAME", "somebody")
    ended = eventplane("schema", "check", folder / "order.avsc", "--against", "a", *REGISTRY)
    assert ended.code == 2
    assert "EVENTPLANE_REGISTRY_PASSWORD is not set" in ended.err


def test_check_of_codegen_tells_whether_the_file_is_what_would_be_written(eventplane: Eventplane, folder: Path) -> None:
    words = ("schema", "codegen", folder / "order.avsc", "--output", folder / "order.py")
    missing = eventplane(*words, "--check")
    assert missing.code == 1
    assert "+class OrderPlaced(BaseModel):\n" in missing.out
    assert not (folder / "order.py").exists()
    assert eventplane(*words).code == 0
    assert eventplane(*words, "--check") == (0, "", "")
    written = (folder / "order.py").read_text()
    assert written.startswith("# Generated by `eventplane schema codegen` from order.avsc (AVRO).")
    (folder / "order.py").write_text(written.replace("    sku: str\n", "    sku: bytes\n"))
    edited = eventplane(*words, "--check")
    assert edited.code == 1
    assert "-    sku: bytes\n+    sku: str\n" in edited.out


@pytest.mark.parametrize(
    ("package", "words", "extra"),
    [
        ("datamodel_code_generator", ["codegen", "order.avsc", "--output", "o.py"], "codegen"),
        ("grpc_tools", ["codegen", "order.proto", "--output", "o_pb2.py"], "codegen"),
        ("aiohttp", ["codegen", "--subject", "a", *REGISTRY, "--output", "o.py"], "cli"),
        ("aiohttp", ["check", "order.avsc", "--against", "a", *REGISTRY], "cli"),
        ("proto_schema_parser", ["check", "order.proto", "--against", "a", *REGISTRY], "cli"),
    ],
)
def test_without_an_extra_it_says_what_to_install(package: str, words: list[str], extra: str, folder: Path) -> None:
    """In a process in which the package cannot be found."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, "schema", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert ended.returncode == 2
    assert ended.stderr == f"eventplane: {package} is not installed: pip install 'eventplane[{extra}]'\n"


WITHOUT = """
import importlib.util, sys
from importlib.abc import MetaPathFinder

find, hidden = importlib.util.find_spec, sys.argv[1]

class Hide(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
importlib.util.find_spec = lambda name, *rest: None if name == hidden else find(name, *rest)
from eventplane.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def test_it_runs_as_a_module_too() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "eventplane.cli", "schema", "nothing"], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("eventplane: ")


VERSIONS = tuple(RegisteredVersion(number, number + 10, Definition("AVRO", '"int"')) for number in (1, 3))


@pytest.mark.parametrize(("version", "number"), [("latest", 3), ("1", 1), ("3", 3)])
def test_a_version_is_chosen(version: str, number: int) -> None:
    assert select_version("orders", VERSIONS, version).version == number


@pytest.mark.parametrize("version", ["2", "newest", "-1"])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(version: str) -> None:
    with pytest.raises(CommandError, match=f"no version {version}: it has 1, 3"):
        select_version("orders", VERSIONS, version)


def test_a_subject_without_versions_does_not_exist() -> None:
    with pytest.raises(CommandError, match="subject orders does not exist"):
        select_version("orders", (), "latest")
