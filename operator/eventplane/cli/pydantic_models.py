"""Pydantic models from AVRO and JSON definitions, by datamodel-code-generator."""

import importlib.util
import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastavro.schema import load_schema_ordered

from eventplane.cli.failure import CommandError, ExitCode
from eventplane.cli.json_bundle import bundle
from eventplane.planning.schema_state import Definition


def require(package: str) -> None:
    """Raise CommandError, with the way out, where a package of the extra is not installed."""
    if importlib.util.find_spec(package) is None:
        raise CommandError(ExitCode.USAGE, f"{package} is not installed: pip install 'eventplane[codegen]'")


def generate_models(definition: Definition, header: str, name: str) -> str:
    """Write a module of models.

    The class of the definition itself is called like its record (AVRO) or its title (JSON), else like `name`.

    | AVRO                                    | Python                                   |
    |-----------------------------------------|------------------------------------------|
    | record, error                           | class                                    |
    | enum                                    | StrEnum                                  |
    | fixed, bytes                            | bytes, of that length                    |
    | array, map                              | list, dict                               |
    | union                                   | alternatives; with null also None        |
    | timestamp-millis, timestamp-micros      | AwareDatetime                            |
    | local-timestamp-millis, -micros         | NaiveDatetime                            |
    | date, time-millis, time-micros          | date, time                               |
    | uuid, decimal                           | UUID, Decimal                            |
    | default                                 | the field's default                      |

    JSON Schema follows the same lines; `format` date-time is AwareDatetime and uuid is UUID.

    Raises:
        CommandError: the generator is not installed or cannot make anything of the definition.
    """
    require("datamodel_code_generator")
    try:
        return _generate(definition, header, name)
    except Exception as error:  # whatever a foreign generator raises over a foreign text, its user gets one line
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise CommandError(ExitCode.USAGE, f"no models can be made of the definition: {first[0]}") from error


def _generate(definition: Definition, header: str, name: str) -> str:
    from datamodel_code_generator import InputFileType, generate  # noqa: PLC0415 - an extra
    from datamodel_code_generator.enums import DataModelType, DefaultValueType  # noqa: PLC0415 - the same
    from datamodel_code_generator.format import DatetimeClassType, Formatter, PythonVersion  # noqa: PLC0415 - the same

    avro = definition.type == "AVRO"
    document = _avro_document(definition) if avro else bundle(definition)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the generator's next major version, which the lock holds back
        module = generate(
            json.dumps(document),
            input_file_type=InputFileType.Avro if avro else InputFileType.JsonSchema,
            class_name=None if avro else class_name(str(document.get("title") or name)),
            output_model_type=DataModelType.PydanticV2BaseModel,
            output_datetime_class=DatetimeClassType.Awaredatetime,
            target_python_version=PythonVersion.PY_311,
            formatters=[Formatter.BUILTIN],  # needs no other tool, whose version would change what is written
            custom_file_header=header,
            disable_timestamp=True,
            use_annotated=True,
            use_double_quotes=True,
            use_schema_description=True,
            use_field_description=True,
            strict_nullable=True,  # a default does not make null a value
            deserialize_default_values=[DefaultValueType.Enum, DefaultValueType.Decimal],
            allow_population_by_field_name=True,
            collapse_root_models=avro,
            allow_remote_refs=False,
        )
    if not isinstance(module, str):
        raise TypeError("it needs more than one module, which is not supported: give its classes names without dots")
    return module.rstrip("\n") + "\n"


def class_name(text: str) -> str:
    """Make a class's name of a title or a file's or subject's name: letters and digits, each word with a capital."""
    words = [word for word in re.split(r"[^0-9A-Za-z]+", text) if word]
    joined = "".join(word[0].upper() + word[1:] for word in words)
    return joined if joined[:1].isalpha() else f"Model{joined}"


def _avro_document(definition: Definition) -> Any:
    """Put the definitions of all references where they are first used, so that the document stands alone."""
    texts = dict.fromkeys([*_referenced(definition), definition.text])
    if len(texts) == 1:
        return json.loads(definition.text)
    with tempfile.TemporaryDirectory() as directory:  # fastavro joins files only
        paths = [Path(directory) / f"{number}.avsc" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        return load_schema_ordered([str(path) for path in paths], _write_hint=False)


def _referenced(definition: Definition) -> Iterator[str]:
    """List texts, each after those that it needs."""
    for reference in definition.references:
        if reference.definition is not None:
            yield from _referenced(reference.definition)
            yield reference.definition.text
