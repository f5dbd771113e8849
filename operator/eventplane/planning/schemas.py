"""What must change about one subject of the registry. Its tables are its specification, and the tests mirror them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from eventplane.api.conditions import Reason
from eventplane.api.metadata import Adoption
from eventplane.api.schema import CompatibilityLevel, Migration, Violation
from eventplane.events.majors import Majors, MajorStep
from eventplane.planning.compatibility import explain, explain_with, protected_versions
from eventplane.planning.definitions import check, fingerprint
from eventplane.planning.migrations import problems_of
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.plan import fingerprint as fingerprint_of
from eventplane.planning.schema_changes import AlterLevel, OpenMajor, RecordMajors, RegisterVersion, SchemaChange
from eventplane.planning.schema_desired import DesiredSubject
from eventplane.planning.schema_gate import Judge
from eventplane.planning.schema_state import ObservedSubject, RegisteredVersion, SubjectQuery

_WITHIN_ONE: Final[dict[CompatibilityLevel, CompatibilityLevel]] = {
    "BACKWARD_TRANSITIVE": "BACKWARD",
    "FORWARD_TRANSITIVE": "FORWARD",
    "FULL_TRANSITIVE": "FULL",
}
"""What the registry can be made to demand where a subject has several majors: its own transitive levels would reach
back into the older ones."""


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """What a resource asks for, and what it knows already."""

    desired: DesiredSubject
    adoption: Adoption = "IfUnowned"
    applied_before: bool = False
    """Something was applied in full for this resource on this bus and this subject before."""
    judge: Judge = "Registry"
    """Who says whether the definition breaks anybody."""


@dataclass(frozen=True, slots=True)
class SubjectPlan:
    """A plan for a subject, and in words what the definition would break."""

    plan: Plan[SchemaChange]
    violations: tuple[Violation, ...] = ()


def plan_subject(request: SubjectRequest, observed: ObservedSubject) -> SubjectPlan:
    """Decide what must change so that the subject is as desired.

    | subject           | ours before | adoption | definition is           | plan                               |
    |-------------------|-------------|----------|-------------------------|------------------------------------|
    | any               | any         | any      | no schema of its type   | refuse DefinitionInvalid           |
    | exists            | no          | Never    | any                     | refuse SubjectExists               |
    | absent            | any         | any      | any                     | set the level, register            |
    | exists            | any         | any      | one of its versions     | set the level                      |
    | exists            | any         | any      | new, and may come       | set the level, register            |
    | exists            | any         | any      | new, and breaks someone | as `_breaking` says                |
    """
    invalid = check(request.desired.definition)
    if invalid is not None:
        return SubjectPlan(Plan(refusals=(invalid,)))
    if observed.versions and not request.applied_before and request.adoption == "Never":
        return SubjectPlan(Plan(refusals=(_exists(observed.subject),)))
    if current_version(request.desired, observed) is not None:
        return SubjectPlan(_standing(request.desired, observed))
    return _new(request, observed)


def current_version(desired: DesiredSubject, observed: ObservedSubject) -> RegisteredVersion | None:
    """Find the latest version that the definition is, formatting aside."""
    content = desired.content
    return next((each for each in reversed(observed.versions) if fingerprint(each.definition) == content), None)


def candidate_query(desired: DesiredSubject, observed: ObservedSubject) -> SubjectQuery:
    """Ask what the registry thinks of the definition beside each version that its level protects."""
    protected = protected_versions(level_asked(desired, observed), _of_latest_major(observed, opened(observed)))
    return SubjectQuery(observed.subject, desired.definition, tuple(each.version for each in protected), observed)


def opened(observed: ObservedSubject) -> Majors:
    """Tell the majors that have versions; a step on record whose opening was cut short or failed is none yet."""
    latest = observed.versions[-1].version if observed.versions else 0
    return Majors(tuple(step for step in observed.majors.steps if step.last_version < latest))


def _exists(subject: str) -> Refusal:
    return Refusal(
        Reason.SUBJECT_EXISTS,
        f"subject {subject} exists already and adoption is Never: set adoption to IfUnowned to take it over, or create"
        " a Schema with another subject",
    )


# --- levels


def level_asked(desired: DesiredSubject, observed: ObservedSubject) -> CompatibilityLevel:
    """Tell the level that counts: what is asked for, else what the registry demands."""
    own = None if _is_lifted(observed) else observed.level
    return desired.level or own or observed.default_level


def _is_lifted(observed: ObservedSubject) -> bool:
    """Tell whether an opening that was cut short has left its lifted level behind, which nobody asked for."""
    return observed.level == "NONE" and observed.majors != opened(observed)


def _level_shown(level: CompatibilityLevel, majors: Majors) -> CompatibilityLevel:
    """Tell what the registry shall demand, so that it agrees with a gate that looks at one major only."""
    return _WITHIN_ONE.get(level, level) if majors.steps else level


def _alter_level(desired: DesiredSubject, observed: ObservedSubject, majors: Majors) -> Iterator[AlterLevel]:
    shown = _level_shown(level_asked(desired, observed), majors)
    asked = desired.level is not None or bool(majors.steps) or _is_lifted(observed)
    if asked and observed.level != shown:
        yield AlterLevel(observed.subject, observed.level, shown)


def _level_difference(desired: DesiredSubject, observed: ObservedSubject, majors: Majors) -> Iterator[Difference]:
    for change in _alter_level(desired, observed, majors):
        yield Difference("compatibility", change.level, change.current or "the default")


# --- what is registered already


def _standing(desired: DesiredSubject, observed: ObservedSubject) -> Plan[SchemaChange]:
    """Keep a subject whose definition is registered as asked for.

    | what                                | is            | plan                                      |
    |-------------------------------------|---------------|-------------------------------------------|
    | its level                           | another       | set it                                    |
    | the migrations on record            | others        | record those asked for, if they hold      |
    | its latest version                  | another       | nothing: nobody's version is taken away   |
    """
    current = current_version(desired, observed)
    latest = observed.versions[-1]
    differences = [*_level_difference(desired, observed, opened(observed))]
    if current is not None and latest.version != current.version:
        by = f", registered by {latest.author}" if latest.author else ""
        differences.append(Difference("latest version", str(current.version), f"{latest.version}{by}"))
    record, refusals = _migrations(desired, observed)
    differences += [each for change in record for each in _record_difference(observed, change.majors)]
    changes: tuple[SchemaChange, ...] = (*_alter_level(desired, observed, opened(observed)), *record)
    return Plan(changes=changes, refusals=refusals, differences=tuple(differences))


def _migrations(
    desired: DesiredSubject, observed: ObservedSubject
) -> tuple[tuple[RecordMajors, ...], tuple[Refusal, ...]]:
    """Keep the expressions on record as the resource has them; where a major begins never moves."""
    asked, known = {each.from_: each for each in desired.migrations}, opened(observed).steps
    steps = tuple(
        replace(step, up=asked[step.lower].up, down=asked[step.lower].down) if step.lower in asked else step
        for step in known
    )
    changed = [asked[new.lower] for new, old in zip(steps, known, strict=True) if new != old]
    problems = [problem for each in changed for problem in _sample_problems(each, desired, observed)]
    if problems:
        return (), (_failed(problems),)
    return _record(observed, Majors(steps)), ()


def _record_difference(observed: ObservedSubject, majors: Majors) -> Iterator[Difference]:
    known = opened(observed)
    if majors != known:  # a step that was never opened is our own, and no difference
        yield Difference("migrations", fingerprint_of(majors.to_text()), fingerprint_of(known.to_text()))


def _record(observed: ObservedSubject, majors: Majors) -> tuple[RecordMajors, ...]:
    return (RecordMajors(observed.subject, majors),) if majors != observed.majors else ()


# --- what is new


def _new(request: SubjectRequest, observed: ObservedSubject) -> SubjectPlan:
    desired = request.desired
    level, majors = level_asked(desired, observed), opened(observed)
    protected = protected_versions(level, _of_latest_major(observed, majors))
    # the registry judges by the level that it has, which may not be the one asked for
    shown = _level_shown(level, majors)
    judges = (observed.level or observed.default_level) == shown and request.judge == "Registry"
    if protected and judges and not all(each.version in observed.verdicts for each in protected):
        return SubjectPlan(Plan(needs_usage=True))
    violations = (
        explain_with(level, desired.definition, protected, observed.verdicts)
        if judges
        else explain(level, desired.definition, protected, alone=request.judge == "Ourselves")
    )
    if violations:
        return _breaking(desired, observed, violations)
    changes: tuple[SchemaChange, ...] = (
        *_alter_level(desired, observed, majors),  # before the record, which tells of a lifted one
        *_record(observed, majors),
        RegisterVersion(
            observed.subject,
            desired.definition,
            desired.content,
            lifted=shown if request.judge == "Ourselves" else None,
        ),
    )
    return SubjectPlan(Plan(changes=changes, differences=(_version_difference(desired, observed),)))


def _version_difference(desired: DesiredSubject, observed: ObservedSubject) -> Difference:
    actual = fingerprint(observed.versions[-1].definition) if observed.versions else "absent"
    return Difference("definition", desired.content, actual)


def _of_latest_major(observed: ObservedSubject, majors: Majors) -> tuple[RegisteredVersion, ...]:
    return tuple(each for each in observed.versions if majors.major_of(each.version) == majors.latest)


def _breaking(desired: DesiredSubject, observed: ObservedSubject, violations: tuple[Violation, ...]) -> SubjectPlan:
    """Refuse what breaks somebody, or open a major version for it.

    | onIncompatible | migration to the next major | its samples | plan                                            |
    |----------------|-----------------------------|-------------|-------------------------------------------------|
    | Refuse         | any                         | any         | refuse Incompatible                             |
    | NewMajor       | none                        |             | refuse MigrationMissing                         |
    | NewMajor       | some                        | fail        | refuse MigrationFailed                          |
    | NewMajor       | some                        | hold        | record the new major, then open it              |
    """
    if desired.on_incompatible == "Refuse":
        return SubjectPlan(Plan(refusals=(_incompatible(desired, observed, violations),)), violations)
    before = opened(observed)
    lower = before.latest
    migration = next((each for each in desired.migrations if each.from_ == lower), None)
    if migration is None:
        return SubjectPlan(Plan(refusals=(_missing(observed, lower, violations),)), violations)
    problems = _sample_problems(migration, desired, observed)
    if problems:
        return SubjectPlan(Plan(refusals=(_failed(problems),)), violations)
    step = MajorStep(lower, observed.versions[-1].version, migration.up, migration.down)
    majors = Majors((*before.steps, step))
    opening = OpenMajor(
        subject=observed.subject,
        definition=desired.definition,
        fingerprint=desired.content,
        major=majors.latest,
        level=_level_shown(level_asked(desired, observed), majors),
    )
    changes: tuple[SchemaChange, ...] = (*_record(observed, majors), opening)
    return SubjectPlan(Plan(changes=changes, differences=(_version_difference(desired, observed),)))


def _sample_problems(migration: Migration, desired: DesiredSubject, observed: ObservedSubject) -> tuple[str, ...]:
    """Try a migration on its samples: from the last version before it to the last version after it."""
    majors = opened(observed)
    older = [each for each in observed.versions if majors.major_of(each.version) == migration.from_]
    newer = [each for each in observed.versions if majors.major_of(each.version) == migration.to]
    if not older:
        return ()  # nobody can meet what it starts from any more
    return problems_of(migration, older[-1].definition, newer[-1].definition if newer else desired.definition)


def _incompatible(desired: DesiredSubject, observed: ObservedSubject, violations: tuple[Violation, ...]) -> Refusal:
    return Refusal(
        Reason.INCOMPATIBLE,
        f"the definition is not {level_asked(desired, observed)} compatible with subject {observed.subject}:"
        f" {_words(violations)}. What is registered stays. To break on purpose, set evolution.onIncompatible to"
        " NewMajor and add a migration",
    )


def _missing(observed: ObservedSubject, lower: int, violations: tuple[Violation, ...]) -> Refusal:
    return Refusal(
        Reason.MIGRATION_MISSING,
        f"the definition opens major version {lower + 1} of subject {observed.subject} ({_words(violations)}), and"
        f" evolution.migrations has none from {lower} to {lower + 1}: add one, with samples",
    )


def _failed(problems: tuple[str, ...] | list[str]) -> Refusal:
    return Refusal(Reason.MIGRATION_FAILED, f"{'; '.join(problems[:5])}: correct the migration, or its samples")


def _words(violations: tuple[Violation, ...]) -> str:
    """Say the first few, since a condition is read in a terminal; status.violations has them all."""
    said = "; ".join(each.message for each in violations[:3])
    more = len(violations) - 3
    return said if more <= 0 else f"{said}; and {more} more in status.violations"
