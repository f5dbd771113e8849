"""What a Subscription looks up for its expressions: values by key, from a topic or from a service."""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.access import TopicRef
from eventplane.api.delivery import Expression
from eventplane.api.metadata import SecretRef
from eventplane.api.model import ApiModel, rules
from eventplane.api.quantities import Duration
from eventplane.api.sink import HttpTls

LookupName = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[a-z][a-z0-9_]*$")]
"""A name in CEL, and part of names of volumes, which have 63 characters."""
IfMissing = Literal["Null", "Fail"]


class LookupTopic(TopicRef):
    """An EventTopic of the same namespace whose last value of each key every pod keeps in memory.

    Its cleanup has to be compact. The key is the record's as text; a record without a value deletes.
    """

    max_entries: int = Field(default=100_000, ge=1, le=10_000_000)
    """How many keys a pod keeps; it ends, and says so, where the topic holds more. Pods of Eventplane's image get a
    kilobyte of memory for each, beside what they have anyway."""


class LookupCache(ApiModel):
    """What a pod remembers of a service's answers."""

    ttl: Duration = "5m"
    """For how long an answer is taken for true, also that there is none."""
    max_entries: int = Field(default=10_000, ge=1, le=1_000_000)
    """How many answers, each of at most 64 KiB; beyond that the one goes that was asked for least recently. Pods get
    memory for them as for maxEntries of topicRef."""


class HttpLookup(ApiModel):
    """A service that answers GET with JSON; 404 and 204 say that there is nothing under a key."""

    model_config = rules(
        ("!has(self.tls) || self.url.startsWith('https://')", "tls is for a url that begins with https://")
    )

    url: str = Field(pattern=r"^https?://[^\s#/?{}]+[/?][^\s#{}]*\{key\}[^\s#{}]*$", max_length=2048)
    """Where to ask: `https://rates.shop.svc/v1/{key}`; the key is percent-encoded."""
    timeout: Duration = "2s"
    """For how long an answer is waited for."""
    cache: LookupCache = LookupCache()
    """What is remembered of the answers."""
    bearer_token_secret_ref: SecretRef | None = None
    """A Secret with the key token, sent as `Authorization: Bearer`."""
    tls: HttpTls | None = None
    """Present where the service has a certificate of a private authority, or wants to see one."""


class Lookup(ApiModel):
    """A value that is looked up by a key of the event, in expressions `lookups.<name>`."""

    model_config = rules(("has(self.topicRef) != has(self.http)", "name either topicRef or http"))

    name: LookupName
    """What it is called in expressions and metrics."""
    key: Expression
    """The key, CEL over `event`, a text or a number: `event.data.customerId`. Where that is null, absent or empty,
    nothing is looked up, and the value is missing."""
    topic_ref: LookupTopic | None = None
    """A compacted topic to look into."""
    http: HttpLookup | None = None
    """A service to ask."""
    if_missing: IfMissing = "Null"
    """What a missing value means: Null makes it null; Fail fails the attempt with LookupMissing, and the
    DeadLetterPolicy says what becomes of the event."""
