"""Subscription: the right to read events from topics, for an application that gets its own credentials and group."""

from typing import ClassVar

from eventplane.api.access import COLUMNS, Access, AccessSpec, AccessStatus
from eventplane.api.model import immutable, rules
from eventplane.api.printing import Column


class SubscriptionSpec(AccessSpec):
    """What a consuming application asks for."""

    model_config = rules(immutable("busRef", "Subscription"), immutable("secretName", "Subscription"))


class SubscriptionStatus(AccessStatus):
    """What is the case."""

    group: str | None = None
    """The consumer group, which no other user may join."""


class Subscription(Access):
    """A consumer's side of topics: a user of its own, its Secret, its consumer group, and the right to read."""

    kind: ClassVar[str] = "Subscription"
    plural: ClassVar[str] = "subscriptions"
    short_names: ClassVar[tuple[str, ...]] = ("esub",)
    printer_columns: ClassVar[tuple[Column, ...]] = (
        {"name": "Group", "type": "string", "jsonPath": ".status.group"},
        *COLUMNS,
    )

    spec: SubscriptionSpec
    status: SubscriptionStatus = SubscriptionStatus()
