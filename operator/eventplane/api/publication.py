"""Publication: the right to write events into topics, for an application that gets its own credentials."""

from typing import ClassVar, Final

from eventplane.api.access import COLUMNS, Access, AccessSpec
from eventplane.api.model import immutable, rules
from eventplane.api.printing import Column
from eventplane.api.relay import Relay

_HAS_ROUTES: Final = "has(self.relay) && has(self.relay.routes)"


class PublicationSpec(AccessSpec):
    """What a producing application asks for."""

    model_config = rules(
        immutable("busRef", "Publication"),
        immutable("secretName", "Publication"),
        ("!has(self.relay) || self.transactional", "a relay writes in transactions: set transactional to true"),
        (
            f"!({_HAS_ROUTES}) || self.relay.routes.all(each, self.topics.exists(topic, topic.name == each.topic))",
            "relay.routes may name topics of this Publication only",
        ),
        (
            "!has(self.relay) || !self.topics.exists(topic, topic.name == self.relay.positions.name)",
            "relay.positions is a topic of its own: name another one than those that events go to",
        ),
    )

    transactional: bool = False
    """Whether it writes in transactions. Its transactional ids then begin with the prefix in its Secret, and no other
    application can fence them."""
    relay: Relay | None = None
    """What of an event store Eventplane publishes with these credentials; default: applications publish themselves."""


class Publication(Access):
    """A producer's side of topics: a user of its own, its Secret, the right to write, and perhaps a relay that does."""

    kind: ClassVar[str] = "Publication"
    plural: ClassVar[str] = "publications"
    short_names: ClassVar[tuple[str, ...]] = ("epub",)
    printer_columns: ClassVar[tuple[Column, ...]] = COLUMNS

    spec: PublicationSpec
