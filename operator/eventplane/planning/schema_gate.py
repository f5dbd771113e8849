"""The gate before a registry: whom a candidate would break, and who can say so."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from eventplane.api.conditions import Reason
from eventplane.api.schema import CompatibilityLevel, Violation
from eventplane.planning.compatibility import explain_with, protected_versions
from eventplane.planning.outcome import BackendError
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, RegisteredVersion

Judge: TypeAlias = Literal["Registry", "Registration", "Ourselves"]
"""The registry, beforehand; the registry, but only when it registers; nobody but us, for it cannot compare."""


def gate(
    level: CompatibilityLevel,
    candidate: Definition,
    versions: Sequence[RegisteredVersion],
    verdicts: Mapping[int, CompatibilityVerdict],
) -> tuple[Violation, ...]:
    """Say whom a candidate would break; nobody where the registry finds it compatible with every protected version.

    Args:
        level: The level in force.
        candidate: What would be registered.
        versions: Those of the subject (or of one major version of it), oldest first.
        verdicts: What the registry says, by version.

    Raises:
        ValueError: the registry was not asked about a version that the level protects.
    """
    protected = protected_versions(level, versions)
    unasked = [str(each.version) for each in protected if each.version not in verdicts]
    if unasked:
        raise ValueError(f"no verdict about versions {', '.join(unasked)}, which {level} protects")
    return explain_with(level, candidate, protected, verdicts)


def same_question(one: CompatibilityLevel, other: CompatibilityLevel) -> bool:
    """Tell whether two levels ask the same of one version, so that a verdict by one is a verdict by the other."""
    return one.removesuffix("_TRANSITIVE") == other.removesuffix("_TRANSITIVE")


def judge_of(
    error: BackendError | None, candidate: Definition, versions: Sequence[RegisteredVersion], *, level_is_asked: bool
) -> Judge | None:
    """Find out who can judge a candidate; None where the error is another one.

    | the registry, asked beforehand       | imports        | level      | judge        |
    |--------------------------------------|----------------|------------|--------------|
    | answers                              | any            | any        | Registry     |
    | takes it, or a version, for invalid  | some, anywhere | any        | Registration |
    | cannot compare its dialect           | any            | asked for  | Ourselves    |
    | any other error                      | any            | any        | nobody       |

    Apicurio 3.3.3 tests compatibility without looking at imports, and cannot compare JSON Schema of 2019 and later. A
    level that nobody asked for could not be put back after a crash, so it is not lifted.

    Args:
        error: What it answered instead of verdicts, if it did.
        candidate: What would be registered.
        versions: Those of the subject.
        level_is_asked: The resource says which level it wants.
    """
    if error is None:
        return "Registry"
    imports = any(each.references for each in (candidate, *(version.definition for version in versions)))
    if error.reason is Reason.DEFINITION_INVALID and imports:
        return "Registration"
    return "Ourselves" if error.reason is Reason.NOT_COMPARABLE and level_is_asked else None
