"""Why a new definition breaks somebody, in words for a developer who opens no log.

The registry's verdict is what counts. What is said without one is what all registries agree on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from eventplane.api.schema import CompatibilityLevel, SchemaType, Violation
from eventplane.planning.compatibility.avro import TooManyTypesError, avro_findings
from eventplane.planning.compatibility.finding import (
    DIRECTIONS,
    MOST_VIOLATIONS,
    Direction,
    Finding,
    to_violations,
)
from eventplane.planning.compatibility.json_schema import json_findings
from eventplane.planning.compatibility.protobuf import protobuf_findings
from eventplane.planning.definitions.avro import parse_avro
from eventplane.planning.definitions.fault import DefinitionFault
from eventplane.planning.definitions.json_schema import parse_json_schema
from eventplane.planning.definitions.protobuf_model import ProtoFile
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, RegisteredVersion


def protected_versions(
    level: CompatibilityLevel, versions: Sequence[RegisteredVersion]
) -> tuple[RegisteredVersion, ...]:
    """Choose the versions that a candidate must be compatible with.

    | level                                                    | versions |
    |----------------------------------------------------------|----------|
    | NONE                                                     | none     |
    | BACKWARD, FORWARD, FULL                                  | latest   |
    | BACKWARD_TRANSITIVE, FORWARD_TRANSITIVE, FULL_TRANSITIVE | all      |

    Args:
        level: The level in force.
        versions: Those of the subject (or of one major version of it), oldest first.
    """
    if level == "NONE":
        return ()
    return tuple(versions) if level.endswith("_TRANSITIVE") else tuple(versions[-1:])


def explain(
    level: CompatibilityLevel, new: Definition, versions: Sequence[RegisteredVersion], *, alone: bool = False
) -> tuple[Violation, ...]:
    """Say whom a new definition breaks, where no registry can be asked.

    | level              | versions looked at | who reads whose events                  |
    |--------------------|--------------------|-----------------------------------------|
    | NONE               | none               |                                         |
    | BACKWARD           | the latest         | the new definition the version's        |
    | FORWARD            | the latest         | the version the new definition's        |
    | FULL               | the latest         | both                                    |
    | *_TRANSITIVE       | all                | as without it                           |

    Only what every registry refuses is said, so that it contradicts none; all that some of them mind where nobody
    judges after us (`alone`). Definitions that cannot be read say nothing.
    """
    found = (
        violation
        for version in protected_versions(level, versions)
        for violation in _violations(level, new, version, certain_only=not alone)
    )
    return tuple(found)[:MOST_VIOLATIONS]


def explain_with(
    level: CompatibilityLevel,
    new: Definition,
    versions: Sequence[RegisteredVersion],
    verdicts: Mapping[int, CompatibilityVerdict],
) -> tuple[Violation, ...]:
    """Put the registry's verdicts into words, by version.

    | verdict      | our words | said                                                             |
    |--------------|-----------|------------------------------------------------------------------|
    | compatible   | any       | nothing                                                          |
    | incompatible | some      | ours, those included that only some registries mind              |
    | incompatible | none      | the registry's own, or a plain sentence where it gives no reason |
    | none         | any       | nothing: the registry was not asked about that version           |
    """
    found: list[Violation] = []
    for version in versions:
        verdict = verdicts.get(version.version)
        if verdict is not None and not verdict.compatible:
            ours = _violations(level, new, version, certain_only=False)
            found += ours or [_in_its_words(version.version, verdict)]
    return tuple(found[:MOST_VIOLATIONS])


def _violations(
    level: CompatibilityLevel, new: Definition, version: RegisteredVersion, *, certain_only: bool
) -> list[Violation]:
    old = version.definition
    if old.type != new.type:
        return []
    parse, compare = _LANGUAGES[new.type]
    violations: list[Violation] = []
    try:
        parsed_new, parsed_old = parse(new), parse(old)
        for direction in DIRECTIONS[level]:
            pair = (parsed_new, parsed_old) if direction == "Backward" else (parsed_old, parsed_new)
            spoken = (each for each in compare(*pair, direction) if each.certain or not certain_only)
            violations += to_violations(version.version, direction, spoken)
    except (DefinitionFault, TooManyTypesError):
        return []
    return violations


def _in_its_words(version: int, verdict: CompatibilityVerdict) -> Violation:
    words = "; ".join(" ".join(message.split()) for message in verdict.messages)
    reason = f"the registry says: {words[:1000]}" if words else "the registry gives no reason"
    return Violation(
        version=version,
        rule="Incompatible",
        message=f"the registry finds the definition incompatible with version {version}: {reason}. Undo the change"
        f" since version {version}, or make it in smaller steps to see which part is refused",
    )


def _parse_proto(definition: Definition) -> ProtoFile:
    from eventplane.planning.definitions.protobuf import parse_proto, read_proto  # noqa: PLC0415 - see its model

    return read_proto(parse_proto(definition.text))


_Language = tuple[Callable[[Definition], Any], Callable[[Any, Any, Direction], tuple[Finding, ...]]]
"""How a definition is parsed, and how what a reader and a writer were parsed to is compared."""

_LANGUAGES: Final[Mapping[SchemaType, _Language]] = {
    "AVRO": (parse_avro, avro_findings),
    "JSON": (parse_json_schema, json_findings),
    "PROTOBUF": (_parse_proto, protobuf_findings),
}
