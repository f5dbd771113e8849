"""Topics created in a batch, their claims completed with the ids that Kafka gave them."""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError

from eventplane.backends.kafka.batches import errors_of, in_batches, topics_with_code
from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.freshness import FreshTopics
from eventplane.backends.kafka.ledger import Ledger
from eventplane.backends.kafka.observation import complete
from eventplane.backends.kafka.topic_creator import CreatedTopic, TopicCreator
from eventplane.backends.waves import TopicOutcome
from eventplane.planning.outcome import BackendError, Outcome, Unavailable
from eventplane.planning.topic_changes import ClaimTopic, CreateTopic
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic


async def create_topics(
    client: KafkaClient, creator: TopicCreator, fresh: FreshTopics, ledger: Ledger, changes: Sequence[CreateTopic]
) -> Sequence[TopicOutcome]:
    """Create topics that nobody else claims, and complete their claims with the new ids.

    A topic that exists already is taken for one whose creation was cut short if its claim is the change's owner's.
    Whether a claim stands was read before, and it cannot have fallen since: a later claim never comes first.

    Raises:
        Unavailable, Rejected: nothing was created.
    """
    objections = {change.topic: ledger.objection(change.topic, change.owner) for change in changes}
    errors = {topic: objection for topic, objection in objections.items() if objection is not None}
    made: dict[str, CreatedTopic] = {}
    wanted = [change for change in changes if change.topic not in errors]
    existed = await _create(client, creator, ledger, wanted, made, errors)
    for topic in (*made, *existed):
        fresh.created(topic)
    topics = {change.topic: new_topic(change, made[change.topic]) for change in wanted if change.topic in made}
    unseen = [*existed, *(topic for topic, new in topics.items() if new is None)]
    known = {topic: new for topic, new in topics.items() if new is not None} | await _look(fresh, unseen, errors)
    await _complete_claims(ledger, [change for change in changes if change.topic in known], known, errors)
    return [_outcome(change, known, errors) for change in changes]


async def _create(
    client: KafkaClient,
    creator: TopicCreator,
    ledger: Ledger,
    changes: Sequence[CreateTopic],
    made: dict[str, CreatedTopic],
    errors: dict[str, BackendError],
) -> list[str]:
    """Send the requests; return the names of the topics that were created before."""
    answers = await in_batches(
        client,
        "CreateTopics",
        "Create on the cluster",
        changes,
        lambda _, part: creator.create(part, made),
    )
    existed = [
        topic
        for topic in topics_with_code(answers, (KafkaError.TOPIC_ALREADY_EXISTS,))
        if ledger.claim_of(topic) is not None  # and then it is this owner's: there was no objection
    ]
    failures = errors_of(answers, "Create")
    errors |= {topic: error for topic, error in failures.items() if topic not in existed}
    return existed


def new_topic(change: CreateTopic, created: CreatedTopic) -> ExistingTopic | None:
    """Make an existing topic of a creation; None where the broker does not say what it chose."""
    partitions = change.partitions or created.partitions
    factor = change.replication_factor or created.replication_factor
    if partitions is None or factor is None:
        return None
    return ExistingTopic(
        topic_id=created.topic_id,
        partitions=partitions,
        replication_factor=factor,
        config=dict(change.config),
        overrides=frozenset(change.config),
    )


async def _look(fresh: FreshTopics, names: Sequence[str], errors: dict[str, BackendError]) -> dict[str, ExistingTopic]:
    if not names:
        return {}
    try:
        known = await complete(fresh, await fresh.describe(names), {}, names)
    except BackendError as error:  # the topics are there: applied again, they are found to be
        errors |= dict.fromkeys(names, error)
        return {}
    errors |= {name: fresh.denied[name] for name in names if name in fresh.denied}
    return known


async def _complete_claims(
    ledger: Ledger,
    changes: Sequence[CreateTopic],
    topics: Mapping[str, ExistingTopic],
    errors: dict[str, BackendError],
) -> None:
    claims = [ClaimTopic(change.topic, change.owner, topics[change.topic].topic_id) for change in changes]
    if not claims:
        return
    losses: Sequence[BackendError | None]
    try:
        losses = await ledger.claim(claims)
    except BackendError as error:  # the topics are there: applied again, they only have their claims completed
        losses = [error] * len(claims)
    errors |= {claim.topic: loss for claim, loss in zip(claims, losses, strict=True) if loss is not None}


def _outcome(
    change: CreateTopic, topics: Mapping[str, ExistingTopic], errors: Mapping[str, BackendError]
) -> TopicOutcome:
    if change.topic in errors:
        return Outcome(change, errors[change.topic])
    existing = topics.get(change.topic)
    if existing is None:
        return Outcome(change, Unavailable(f"topic {change.topic} was deleted while it was created"))
    return Outcome(change, state=ObservedTopic(change.topic, existing, Claim(change.owner, existing.topic_id)))
