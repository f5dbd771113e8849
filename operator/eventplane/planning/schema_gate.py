"""The gate before a registry: which versions a candidate is judged beside, and whom it would break."""

from collections.abc import Mapping, Sequence

from eventplane.api.schema import CompatibilityLevel, Violation
from eventplane.planning.compatibility import explain_with
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
