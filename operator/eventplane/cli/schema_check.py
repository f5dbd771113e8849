"""`eventplane schema check`: the operator's gate for a laptop or a CI job."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from eventplane.api.schema import CompatibilityLevel, Violation
from eventplane.cli.definition_files import read_text, type_of
from eventplane.cli.failure import CommandError, ExitCode
from eventplane.cli.registry_access import RegistryAccess, registry_access
from eventplane.planning.compatibility import explain, protected_versions
from eventplane.planning.definitions import check
from eventplane.planning.schema_gate import Judge, gate, judge_of, same_question
from eventplane.planning.schema_state import (
    CompatibilityVerdict,
    Definition,
    ObservedSubject,
    Reference,
    SubjectQuery,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a check."""

    subject: str
    level: CompatibilityLevel
    exists: bool
    """Whether the subject has any version."""
    versions_checked: tuple[int, ...]
    judged_by: str
    """Whose judgement it is: the registry's, or Eventplane's where the registry cannot be asked this."""
    violations: tuple[Violation, ...] = ()

    @property
    def compatible(self) -> bool:
        """Whether nobody breaks."""
        return not self.violations


def run_check(options: argparse.Namespace) -> ExitCode:
    """Check a definition and print the report.

    Raises:
        CommandError: with the exit code that says why there is none.
    """
    kind = type_of(options.file, options.type)
    references = tuple(parse_reference(text) for text in options.reference)
    text = read_text(options.file, "the definition")
    access = registry_access(options.registry, options.ca, options.timeout, os.environ)
    candidate = Definition(kind, text, tuple(_with_text(access, each) for each in references))
    refusal = check(candidate)
    if refusal is not None:
        raise CommandError(ExitCode.USAGE, f"{options.file}: {refusal.message}")
    report = judge(access, options.against, candidate, options.level)
    lines = json_lines(report) if options.output == "json" else text_lines(report)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return ExitCode.OK if report.compatible else ExitCode.DIFFERS


def parse_reference(text: str) -> Reference:
    """Read NAME=SUBJECT:VERSION; the name may hold an equals sign and the subject a colon.

    Raises:
        CommandError: it is not that.
    """
    name, _, target = text.rpartition("=")
    subject, _, version = target.rpartition(":")
    if not name or not subject or not version.isdecimal() or int(version) < 1:
        raise CommandError(ExitCode.USAGE, f"--reference takes NAME=SUBJECT:VERSION with a version from 1, not {text}")
    return Reference(name, subject, int(version))


def judge(access: RegistryAccess, subject: str, candidate: Definition, asked: CompatibilityLevel | None) -> Report:
    """Look at the subject, ask for the registry's verdicts, and say whom the candidate breaks.

    | level in force                             | judged by                                               |
    |--------------------------------------------|---------------------------------------------------------|
    | the subject's or the registry's own        | the registry, version by version; explained by us       |
    | --level, of the same direction             | the same                                                |
    | --level, of another direction              | us: the registry answers by its own level only          |
    | any, and what it cannot compare            | us: see `judge_of`                                      |
    | NONE, or the subject does not exist        | nobody: nothing is protected                            |

    Raises:
        CommandError: the registry did not answer or cannot judge, or the subject is of another type.
    """
    seen = access.look(SubjectQuery(subject))
    own = seen.level or seen.default_level
    level = asked or own
    if seen.versions and seen.versions[-1].definition.type != candidate.type:
        there = seen.versions[-1].definition.type
        raise CommandError(ExitCode.USAGE, f"subject {subject} is {there} and the definition is {candidate.type}")
    protected = protected_versions(level, seen.versions)
    report = Report(subject, level, bool(seen.versions), tuple(each.version for each in protected), "registry")
    if not protected:
        return report
    judge, verdicts = (
        _verdicts(access, candidate, seen, report.versions_checked)
        if same_question(level, own)
        else ("Registration", {})
    )
    if judge == "Registry":
        return replace(report, violations=gate(level, candidate, protected, verdicts))
    violations = explain(level, candidate, protected, alone=judge == "Ourselves")
    return replace(report, judged_by="eventplane", violations=violations)


def _verdicts(
    access: RegistryAccess, candidate: Definition, seen: ObservedSubject, against: tuple[int, ...]
) -> tuple[Judge, Mapping[int, CompatibilityVerdict]]:
    """Ask the registry, or find out that it cannot say and who can.

    Raises:
        CommandError: it did not answer, or something is wrong that nobody can judge around.
    """
    judged = access.look_leniently(SubjectQuery(seen.subject, candidate, against, seen))
    judge = judge_of(judged.error, candidate, seen.versions, level_is_asked=True)
    if judge is None and judged.error is not None:
        raise access.failure(judged.error)
    gone = [version for version in against if version not in judged.verdicts]
    if gone and judge == "Registry":
        raise CommandError(
            ExitCode.REGISTRY, f"subject {seen.subject}: version {gone[0]} was deleted meanwhile: try again"
        )
    return judge or "Registry", judged.verdicts


def text_lines(report: Report) -> Iterator[str]:
    """Write a report for people."""
    yield f"{report.subject}: {_verdict(report)}"
    for each in report.violations:
        where = f" at {each.path}" if each.path else ""
        yield f"  version {each.version}{where}: {each.rule}"
        yield f"    {each.message}"


def json_lines(report: Report) -> Iterator[str]:
    """Write a report for programs."""
    document = {
        "subject": report.subject,
        "level": report.level,
        "compatible": report.compatible,
        "versions_checked": report.versions_checked,
        "judged_by": report.judged_by,
        "violations": [each.model_dump(mode="json") for each in report.violations],
    }
    yield json.dumps(document, indent=2)


def _verdict(report: Report) -> str:
    if not report.exists:
        return f"compatible: the subject does not exist yet, this would be its first version (level {report.level})"
    if not report.versions_checked:
        return f"compatible: level {report.level} protects no version"
    whom = _listed(report.versions_checked)
    alone = "" if report.judged_by == "registry" else ", judged without the registry"
    if report.compatible:
        return f"compatible with {whom} (level {report.level}{alone})"
    broken = _listed(sorted({each.version for each in report.violations}))
    return f"INCOMPATIBLE with {broken} (level {report.level}{alone})"


def _listed(versions: Sequence[int]) -> str:
    return f"version{'s' if len(versions) > 1 else ''} {', '.join(map(str, versions))}"


def _with_text(access: RegistryAccess, reference: Reference) -> Reference:
    seen = access.look(SubjectQuery(reference.subject))
    for each in seen.versions:
        if each.version == reference.version:
            return replace(reference, definition=each.definition)
    raise CommandError(
        ExitCode.USAGE,
        f"--reference {reference.name}: there is no version {reference.version} of subject {reference.subject}",
    )
