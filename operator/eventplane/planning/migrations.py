"""Whether a migration keeps its promise: its samples, run up and down between two definitions."""

from eventplane.api.schema import Migration
from eventplane.events.majors import MajorStep
from eventplane.events.migrations import SampledStep, SampleEvent, verify_samples
from eventplane.events.validation import SchemaText, SchemaTextError, Validator, validator_for
from eventplane.planning.schema_state import Definition


def problems_of(migration: Migration, older: Definition, newer: Definition) -> tuple[str, ...]:
    """Run a migration's samples up and down and say in words what is wrong; nothing where it holds.

    Args:
        migration: the step with its samples.
        older: what the samples must be valid in, and again after they have come back.
        newer: what they must be valid in between.
    """
    try:
        validators = {migration.from_: _validator(older), migration.to: _validator(newer)}
    except SchemaTextError as error:
        return (f"migration {migration.from_} to {migration.to}: {error}",)
    samples = (
        SampleEvent({"data": dict(each.data)})
        if each.expected is None
        else SampleEvent({"data": dict(each.data)}, dict(each.expected))
        for each in migration.samples
    )
    step = MajorStep(migration.from_, last_version=0, up=migration.up, down=migration.down)
    return verify_samples([SampledStep(step, tuple(samples))], validators)


def _validator(definition: Definition) -> Validator:
    text = _text(definition)
    return validator_for(text.type, text.text, text.references)


def _text(definition: Definition) -> SchemaText:
    references = tuple(
        (each.name, _text(each.definition)) for each in definition.references if each.definition is not None
    )
    return SchemaText(definition.type, definition.text, references)
