"""Data of one major version as that of another, step by step, and the proof of the steps by samples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from eventplane.events.expressions import Expression, ExpressionError, compile_expression
from eventplane.events.majors import MajorStep
from eventplane.events.validation import Validator

Direction: TypeAlias = Literal["up", "down"]
_NOTHING: Final = object()


class MigrationError(ValueError):
    """A step that cannot be compiled, or not be taken with this event; the message names it."""


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """An event of the older major version, and what `up` must make of it where that is told."""

    event: Mapping[str, Any]
    expected: Any = _NOTHING


@dataclass(frozen=True, slots=True)
class SampledStep:
    """A step and the events that prove it."""

    step: MajorStep
    samples: tuple[SampleEvent, ...]


class MigrationPath:
    """Compiled steps between neighbours; may be used by several threads."""

    def __init__(self, up: Mapping[int, Expression], down: Mapping[int, Expression]) -> None:
        """Keep expressions by the older major version of their step."""
        self._up = up
        self._down = down

    def migrate(self, event: Mapping[str, Any], from_major: int, to_major: int) -> Any:
        """Return the event's data as those of another major version.

        Args:
            event: `data` and what else is known of the event: type, source, id, time. It is not changed.
            from_major: the major version of its data.
            to_major: the one that is wanted.

        Raises:
            MigrationError: there is no step that leads on, or it cannot be taken with this event.
        """
        for lower, direction in _way(from_major, to_major):
            event = {**event, "data": self._step(event, lower, direction)}
        return event["data"]

    def _step(self, event: Mapping[str, Any], lower: int, direction: Direction) -> Any:
        name = _name(lower, direction)
        expression = (self._up if direction == "up" else self._down).get(lower)
        if expression is None:
            raise MigrationError(f"{name}: there is no such step on record")
        try:
            return expression.evaluate(event)
        except ExpressionError as error:
            raise MigrationError(f"{name}: {error}") from error


def compile_steps(steps: Iterable[MajorStep]) -> MigrationPath:
    """Compile the steps between major versions.

    Raises:
        MigrationError: an expression that cannot be compiled.
    """
    up: dict[int, Expression] = {}
    down: dict[int, Expression] = {}
    for step in steps:
        up[step.lower] = _compiled(step.up, step.lower, "up")
        down[step.lower] = _compiled(step.down, step.lower, "down")
    return MigrationPath(up, down)


def verify_samples(steps: Sequence[SampledStep], validators: Mapping[int, Validator]) -> tuple[str, ...]:
    """Run samples up and down and say what is wrong, in words; nothing where all is well.

    Each sample is valid in the older major version; what `up` makes of it is as expected, where that is told, and valid
    in the newer one; what `down` makes of that is valid in the older one again. It need not be the same as before.

    Args:
        steps: the steps with their samples.
        validators: by major version; a step whose major versions have none is a problem.
    """
    problems: list[str] = []
    for sampled in steps:
        lower = sampled.step.lower
        if absent := [major for major in (lower, lower + 1) if major not in validators]:
            problems.append(f"migration {lower} to {lower + 1}: no schema of major version {absent[0]} is known")
            continue
        try:
            path = compile_steps([sampled.step])
        except MigrationError as error:
            problems.append(str(error))
            continue
        for number, sample in enumerate(sampled.samples, 1):
            problem = _problem_of_sample(path, lower, sample, validators)
            if problem is not None:
                problems.append(f"sample {number} of {problem}")
    return tuple(problems)


def _problem_of_sample(
    path: MigrationPath, lower: int, sample: SampleEvent, validators: Mapping[int, Validator]
) -> str | None:
    up, down = _name(lower, "up"), _name(lower, "down")
    older, newer = validators[lower], validators[lower + 1]
    if problem := older(sample.event["data"]):
        return f"{up}: it is not valid in major version {lower}: {problem}"
    try:
        risen = path.migrate(sample.event, lower, lower + 1)
        if sample.expected is not _NOTHING and risen != sample.expected:
            return f"{up}: the result is {risen!r}, expected is {sample.expected!r}"
        if problem := newer(risen):
            return f"{up}: the result is not valid in major version {lower + 1}: {problem}"
        fallen = path.migrate({**sample.event, "data": risen}, lower + 1, lower)
    except MigrationError as error:
        return str(error)
    if problem := older(fallen):
        return f"{down}: the result is not valid in major version {lower}: {problem}"
    return None


def _way(from_major: int, to_major: int) -> Iterator[tuple[int, Direction]]:
    if from_major <= to_major:
        yield from ((lower, "up") for lower in range(from_major, to_major))
    else:
        yield from ((lower, "down") for lower in range(from_major - 1, to_major - 1, -1))


def _name(lower: int, direction: Direction) -> str:
    ends = (lower, lower + 1) if direction == "up" else (lower + 1, lower)
    return f"migration {ends[0]} to {ends[1]}, {direction}"


def _compiled(source: str, lower: int, direction: Direction) -> Expression:
    try:
        return compile_expression(source)
    except ExpressionError as error:
        raise MigrationError(f"{_name(lower, direction)}: {error}") from error
