"""Publication: the right to write events into topics, for an application that gets its own credentials."""

from typing import ClassVar

from eventplane.api.access import COLUMNS, Access, AccessSpec
from eventplane.api.model import immutable, rules
from eventplane.api.printing import Column


class PublicationSpec(AccessSpec):
    """What a producing application asks for."""

    model_config = rules(immutable("busRef", "Publication"), immutable("secretName", "Publication"))

    transactional: bool = False
    """Whether it writes in transactions. Its transactional ids then begin with the prefix in its Secret, and no other
    application can fence them."""


class Publication(Access):
    """A producer's side of topics: a user of its own, its Secret, and the right to write."""

    kind: ClassVar[str] = "Publication"
    plural: ClassVar[str] = "publications"
    short_names: ClassVar[tuple[str, ...]] = ("epub",)
    printer_columns: ClassVar[tuple[Column, ...]] = COLUMNS

    spec: PublicationSpec
