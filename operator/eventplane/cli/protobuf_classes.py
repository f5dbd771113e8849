"""Message classes and their type stubs from PROTOBUF definitions, by protoc."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from eventplane.cli.definition_files import read_text
from eventplane.cli.failure import CommandError, ExitCode
from eventplane.cli.pydantic_models import require
from eventplane.planning.schema_state import Definition

SUFFIX: Final = "_pb2.py"
_IMPORT: Final = re.compile(r'^\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"\s*;', re.MULTILINE)
_COMMENTS: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_SECONDS: Final = 60


def generate_classes(definition: Definition, imports: Mapping[str, str], header: str, module: str) -> dict[str, str]:
    """Write the modules of a definition and of what it imports.

    Args:
        definition: What to write classes for.
        imports: Texts of the files that it imports, by the path of the import; protoc brings google/protobuf itself.
        header: A comment for the first line of each file.
        module: The name of the definition's module, without _pb2.

    Returns:
        Texts by path from the folder that is on sys.path: for each definition a .py and a .pyi.

    Raises:
        CommandError: protoc is not installed, does not end, or cannot make anything of the definition.
    """
    require("grpc_tools")
    own = f"{module}.proto"
    with tempfile.TemporaryDirectory() as directory:
        source, output = Path(directory) / "source", Path(directory) / "output"
        output.mkdir()
        for name, text in {**imports, own: definition.text}.items():
            path = _inside(source, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        _run_protoc(source, output, [own, *sorted(imports)])
        return {
            path.relative_to(output).as_posix(): f"{header}\n{path.read_text(encoding='utf-8')}"
            for path in sorted(output.rglob("*_pb2.py*"))
        }


def imports_of(definition: Definition) -> dict[str, str]:
    """Collect the texts of everything that a registered definition imports, by the path of the import."""
    texts: dict[str, str] = {}
    for reference in definition.references:
        if reference.definition is not None:
            texts |= {reference.name: reference.definition.text, **imports_of(reference.definition)}
    return texts


def imports_beside(folder: Path, text: str) -> dict[str, str]:
    """Collect the texts of everything that a definition in a file imports, where it lies there or below."""
    texts: dict[str, str] = {}
    open_names = list(_imported(text))
    while open_names:
        name = open_names.pop()
        path = folder / name
        if name not in texts and ".." not in PurePosixPath(name).parts and path.is_file():
            texts[name] = read_text(path, "the import")
            open_names.extend(_imported(texts[name]))
    return texts


def _imported(text: str) -> Iterator[str]:
    for match in _IMPORT.finditer(_COMMENTS.sub("", text)):
        yield match.group(1)


def _inside(folder: Path, name: str) -> Path:
    """Place an import's path in a folder; registries hold what anybody put there, so that it may lead elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise CommandError(ExitCode.USAGE, f"the definition imports {name}, which leads out of its folder")
    return folder / path


def _run_protoc(source: Path, output: Path, names: list[str]) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source}", f"--python_out={output}"]
    try:
        ended = subprocess.run(  # noqa: S603 - our own interpreter, and paths that begin with a folder
            [*command, f"--pyi_out={output}", *(str(source / name) for name in names)],
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(ExitCode.USAGE, f"protoc did not end within {_SECONDS} s") from error
    if ended.returncode != 0:
        first = next(iter(ended.stderr.strip().splitlines()), "no message")
        raise CommandError(ExitCode.USAGE, f"no classes can be made of the definition: {first}")
