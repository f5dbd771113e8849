"""The ownership ledger as a log: what its records say, and which claims they leave standing.

A ledger is read by several operators, some from its first record, some after compaction has taken records away. All
must come to the same result, so nothing in it may hang on a record that compaction removes. Therefore

* a claim has a key of its own (its topic and a nonce), is written once and never again. Compaction keeps the last
  record of a key, hence a claim keeps its offset until it is released, and offsets give the order of claims. Were a
  claim rewritten, to complete it with the topic's id, it would move behind claims that came later.
* the id that completes a claim is a record of its own, with a key of its own, which may be written again. An id counts
  only with its claim, so an id that arrives after its claim's release, from an operator that slept, changes nothing.
* a release is a tombstone for each of the two keys. A claim on the same topic after that is a new claim, with a new
  nonce and its place at the end of the queue.
"""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass

from eventplane.planning.topic_state import Claim, Owner

Record = tuple[bytes, bytes | None]
"""Key and value; a value of None is a tombstone."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One unreleased claim, standing or in the queue."""

    nonce: str
    offset: int
    owner: Owner
    topic_id: str | None


def claim_record(topic: str, nonce: str, owner: Owner, topic_id: str | None) -> Record:
    """Write a claim."""
    return _key(topic, nonce), _dump({"owner": asdict(owner), "topicId": topic_id})


def id_record(topic: str, nonce: str, topic_id: str) -> Record:
    """Complete a claim with the id of the topic."""
    return _key(topic, nonce, "topicId"), _dump({"topicId": topic_id})


def release_records(topic: str, nonce: str) -> tuple[Record, ...]:
    """Take a claim, and what completes it, out of the ledger."""
    return (_key(topic, nonce), None), (_key(topic, nonce, "topicId"), None)


def _key(topic: str, nonce: str, part: str = "claim") -> bytes:
    return _dump({"topic": topic, "claim": nonce, "part": part})


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class LedgerLog:
    """What the records read so far leave standing."""

    def __init__(self) -> None:
        self._claims: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self._ids: dict[str, str] = {}

    def read(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Take in one record; what this version cannot read is not for it.

        Args:
            offset: place in the log; offsets come in rising order.
            key: the record's key.
            value: the record's value; None releases.
        """
        try:
            name = json.loads(key or b"")
            topic, nonce, part = name["topic"], name["claim"], name["part"]
            if part == "claim":
                self._read_claim(offset, topic, nonce, value)
            elif part == "topicId":
                self._read_id(nonce, value)
        except (ValueError, TypeError, KeyError):
            return

    def _read_claim(self, offset: int, topic: str, nonce: str, value: bytes | None) -> None:
        if value is None:
            self._claims[topic].pop(nonce, None)
            if not self._claims[topic]:
                del self._claims[topic]
            return
        content = json.loads(value)
        owner = content["owner"]  # later versions may say more of an owner
        known = Owner(owner["cluster"], owner["namespace"], owner["name"], owner["uid"])
        self._claims[topic][nonce] = Entry(nonce, offset, known, content["topicId"])

    def _read_id(self, nonce: str, value: bytes | None) -> None:
        if value is None:
            self._ids.pop(nonce, None)
        else:
            self._ids[nonce] = json.loads(value)["topicId"]

    def standing(self, topic: str) -> Entry | None:
        """Return the claim that came first of those that are not released."""
        entries = self._claims.get(topic)
        if not entries:
            return None
        first = min(entries.values(), key=lambda entry: entry.offset)
        topic_id = self._ids.get(first.nonce, first.topic_id)
        return Entry(first.nonce, first.offset, first.owner, topic_id)

    def of_owner(self, topic: str, owner: Owner) -> tuple[Entry, ...]:
        """Return all claims of an owner on a topic, those in the queue included."""
        return tuple(entry for entry in self._claims.get(topic, {}).values() if entry.owner == owner)

    def claim(self, topic: str) -> Claim | None:
        """Return the standing claim as others see it."""
        entry = self.standing(topic)
        return None if entry is None else Claim(entry.owner, entry.topic_id)

    def claims(self) -> dict[str, Claim]:
        """Return all standing claims by topic."""
        return {topic: claim for topic in self._claims if (claim := self.claim(topic)) is not None}
