"""Publication: the right to write events into topics, for an application that gets its own credentials."""

from typing import ClassVar

from eventplane.api.access import Access, AccessSpec
from eventplane.api.model import immutable, rules
from eventplane.api.printing import AGE, BUS, MESSAGE, READY, REASON, Column


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
    printer_columns: ClassVar[tuple[Column, ...]] = (
        READY,
        REASON,
        {"name": "Secret", "type": "string", "jsonPath": ".status.binding.name"},
        {"name": "Principal", "type": "string", "jsonPath": ".status.principal", "priority": 1},
        BUS,
        MESSAGE,
        AGE,
    )

    spec: PublicationSpec
