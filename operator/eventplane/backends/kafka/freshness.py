"""Looking at topics without being shown less than what was just done to them.

Brokers learn of changes from the controller one by one, each at its own pace, and any of them may be asked. So what
this process changed is remembered for a while, and a broker that does not show it yet is asked again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from confluent_kafka.admin import TopicDescription  # type: ignore[attr-defined]  # public

from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.descriptions import Denied, TopicSettings, describe_settings, describe_topics, topic_id
from eventplane.planning.topic_changes import AlterConfig

R = TypeVar("R")
_WINDOW_SECONDS: Final = 5.0
"""How long after a change a broker may be behind. A foreign change that undoes ours may show only after that."""
_CREATION_SECONDS: Final = 300.0
"""How long after a creation a broker may be behind: it makes the files of all topics that came before, one by one. On a
busy machine some thousand of them take minutes, and what is given up on too early looks like a topic that is gone."""
_FEW: Final = 10
"""A look at more topics than that waits for no new one: those that show would wait along, and it is tried again."""
_SETTINGS_SECONDS: Final = 1.0
"""How long the settings are looked for of a topic that another broker has just shown."""
_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Expectation:
    """What every broker will show of a topic soon."""

    until: float
    since: float = 0.0
    present: bool = False
    absent: str | None = None
    """Id of a topic that was deleted; another one of the name is not it."""
    partitions: int = 0
    settings: dict[str, str | None] = field(default_factory=dict)
    needed: bool = False
    """Every look waits for it, however many topics it is at."""
    waited_for: bool = False

    def fits(self, description: TopicDescription | None) -> bool:
        if description is None:
            return not self.present
        return topic_id(description) != self.absent and len(description.partitions) >= self.partitions

    def fits_settings(self, settings: TopicSettings | None) -> bool:
        if settings is None:
            return True
        config, overrides = settings
        return all(
            key not in overrides if value is None else key in overrides and config[key] == value
            for key, value in self.settings.items()
        )


class FreshTopics:
    """Descriptions of a cluster's topics that show at least what this process did to them."""

    def __init__(self, client: KafkaClient, now: Callable[[], float] = time.monotonic) -> None:
        """Expect nothing yet.

        Args:
            client: the connection.
            now: seconds on a clock that never goes back.
        """
        self._client = client
        self._now = now
        self._expected: dict[str, _Expectation] = {}
        self.denied: Denied = {}
        """What stood against describing topics when they were last looked at."""

    def created(self, topic: str, *, needed: bool = False) -> None:
        """Expect a topic to show, and not the one that had its name before.

        Args:
            topic: its name.
            needed: every look waits for it; without, only one at few topics does.
        """
        now, absent = self._now(), self._expectation(topic).absent
        self._expected[topic] = _Expectation(now + _CREATION_SECONDS, now, present=True, absent=absent, needed=needed)

    def deleted(self, topic: str, identity: str) -> None:
        """Expect a topic not to show, by its id."""
        self._expected[topic] = _Expectation(self._until(), absent=identity)

    def grown(self, topic: str, partitions: int) -> None:
        """Expect a topic to show at least so many partitions."""
        self._expected[topic] = replace(
            self._expectation(topic), until=self._until(), partitions=partitions, waited_for=False
        )

    def altered(self, change: AlterConfig) -> None:
        """Expect a topic's settings to show a change."""
        before = self._expectation(change.topic)
        settings = before.settings | dict(change.values) | dict.fromkeys(change.resets)
        self._expected[change.topic] = replace(before, until=self._until(), settings=settings, waited_for=False)

    async def describe(self, topics: Sequence[str]) -> dict[str, TopicDescription]:
        """Describe those of some topics that exist.

        Raises:
            Unavailable, Rejected: see describe_topics.
        """
        for topic in topics:
            self.denied.pop(topic, None)

        async def look(client: KafkaClient, names: Sequence[str]) -> dict[str, TopicDescription]:
            return await describe_topics(client, names, self.denied)

        found = await self._fresh(topics, look, lambda expected, seen: expected.fits(seen))
        self._shown(found)
        return found

    async def settings(self, topics: Sequence[str]) -> dict[str, TopicSettings]:
        """Describe the settings of topics that were just described; one that is gone meanwhile is left out.

        Raises:
            Unavailable, Rejected: see describe_settings.
        """
        deadline = self._now() + _SETTINGS_SECONDS

        async def look(client: KafkaClient, names: Sequence[str]) -> dict[str, TopicSettings]:
            found = await describe_settings(client, names, self.denied)
            while (
                missing := [name for name in names if name not in found and name not in self.denied]
            ) and self._now() < deadline:
                await asyncio.sleep(_PAUSE_SECONDS)
                found |= await describe_settings(client, missing, self.denied)
            return found

        return await self._fresh(topics, look, lambda expected, found: expected.fits_settings(found))

    async def _fresh(
        self,
        topics: Sequence[str],
        look: Callable[[KafkaClient, Sequence[str]], Awaitable[dict[str, R]]],
        fits: Callable[[_Expectation, R | None], bool],
    ) -> dict[str, R]:
        found = await look(self._client, topics)
        pause, deadline = _PAUSE_SECONDS, self._now() + _WINDOW_SECONDS
        while (
            (behind := self._behind(topics, found, fits))
            and self._now() < deadline
            and (len(topics) <= _FEW or self._is_worth_waiting(behind, found))
        ):
            await asyncio.sleep(pause)
            pause = min(pause * 1.6, _LONGEST_PAUSE_SECONDS)
            again = await look(self._client, behind)
            found = {topic: seen for topic, seen in found.items() if topic not in behind} | again
        for topic in behind:  # once is enough: what still does not show must not slow down every later look
            self._expected[topic] = replace(self._expected[topic], waited_for=True)
        return found

    def _behind(
        self, topics: Sequence[str], found: dict[str, R], fits: Callable[[_Expectation, R | None], bool]
    ) -> list[str]:
        now = self._now()
        self._expected = {topic: expected for topic, expected in self._expected.items() if expected.until > now}
        if not self._expected:
            return []
        return [
            topic
            for topic in topics
            if (expected := self._expected.get(topic)) is not None
            and not expected.waited_for
            and not fits(expected, found.get(topic))
        ]

    def _is_worth_waiting(self, behind: Sequence[str], found: Container[str]) -> bool:
        """Tell whether more than new topics is behind: brokers are soon done with what was changed or deleted."""
        return len(self.lagging(behind, found)) < len(behind) or any(self._expected[topic].needed for topic in behind)

    def lagging(self, topics: Iterable[str], found: Container[str]) -> list[str]:
        """Name the topics that were created by us and that the brokers do not show yet, though they were waited for."""
        return [topic for topic in topics if topic not in found and self._expectation(topic).present]

    def _shown(self, topics: Iterable[str]) -> None:
        """Expect what has shown once for as long again as it took: so far, another broker may be behind this one."""
        now = self._now()
        for topic in topics:
            expected = self._expected.get(topic)
            if expected is not None and expected.present:
                until = now + max(_WINDOW_SECONDS, now - expected.since)
                self._expected[topic] = replace(expected, until=min(expected.until, until))

    def _expectation(self, topic: str) -> _Expectation:
        return self._expected.get(topic) or _Expectation(0)

    def _until(self) -> float:
        return self._now() + _WINDOW_SECONDS
