"""The ledger's meaning: order, completion and release, and that compaction changes none of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventplane.backends.kafka.ledger_log import LedgerLog, Record, claim_record, id_record, release_records
from eventplane.planning.topic_state import Claim, Owner

ALICE = Owner("cluster-1", "a", "orders", "uid-a")
BOB = Owner("cluster-2", "b", "orders", "uid-b")


def read(*records: Record) -> LedgerLog:
    return fold(list(enumerate(records)))


def fold(log: list[tuple[int, Record]]) -> LedgerLog:
    ledger = LedgerLog()
    for offset, (key, value) in log:
        ledger.read(offset, key, value)
    return ledger


def test_the_first_claim_stands_and_completing_it_keeps_its_place() -> None:
    ledger = read(
        claim_record("orders", "1", ALICE, None),
        claim_record("orders", "2", BOB, "bobs"),
        id_record("orders", "1", "alices"),
    )
    assert ledger.claims() == {"orders": Claim(ALICE, "alices")}
    assert [entry.nonce for entry in ledger.of_owner("orders", BOB)] == ["2"]


def test_after_a_release_the_next_in_the_queue_stands_and_a_new_claim_is_last() -> None:
    ledger = read(
        claim_record("orders", "1", ALICE, None),
        claim_record("orders", "2", BOB, None),
        *release_records("orders", "1"),
        claim_record("orders", "3", ALICE, None),
    )
    assert ledger.claim("orders") == Claim(BOB, None)


def test_an_id_that_arrives_after_the_release_of_its_claim_changes_nothing() -> None:
    ledger = read(
        claim_record("orders", "1", ALICE, None),
        *release_records("orders", "1"),
        claim_record("orders", "2", BOB, None),
        id_record("orders", "1", "alices"),
    )
    assert ledger.claims() == {"orders": Claim(BOB, None)}


def test_records_that_this_version_cannot_read_are_not_for_it() -> None:
    strangers: list[Record] = [(b"no json", b"{}"), (b"[]", None), (b'{"topic":"t"}', b"{}"), (b"", b"")]
    key, _ = claim_record("orders", "9", BOB, None)
    ledger = read(*strangers, (key, b"{}"), claim_record("orders", "1", ALICE, "id"))
    assert ledger.claims() == {"orders": Claim(ALICE, "id")}


def test_an_owner_of_whom_a_later_version_says_more_is_still_an_owner() -> None:
    key, value = claim_record("orders", "1", ALICE, None)
    assert value is not None
    assert read((key, value.replace(b'"uid"', b'"since":1,"uid"'))).claim("orders") == Claim(ALICE, None)


STEPS = st.lists(st.tuples(st.sampled_from(["claim", "id", "release"]), st.integers(0, 5)), max_size=25)


def written(steps: list[tuple[str, int]]) -> list[tuple[int, Record]]:
    """Write what operators may write: a nonce's claim once, ids and releases whenever, late ones included."""
    records: list[Record] = []
    claimed: set[int] = set()
    for step, number in steps:
        topic, nonce, owner = f"topic-{number % 2}", str(number), ALICE if number % 3 else BOB
        if step == "claim" and number not in claimed:
            claimed.add(number)
            records.append(claim_record(topic, nonce, owner, None))
        elif step == "id" and number in claimed:
            records.append(id_record(topic, nonce, f"id-{len(records)}"))
        elif step == "release" and number in claimed:
            records += release_records(topic, nonce)
    return list(enumerate(records))


@given(STEPS, st.data())
def test_compaction_changes_nothing_wherever_it_stops_and_whatever_tombstones_it_drops(
    steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    log = written(steps)
    cleaned_to = data.draw(st.integers(0, len(log)))
    newest = {key: offset for offset, (key, _) in log}
    head = [entry for entry in log[:cleaned_to] if newest[entry[1][0]] == entry[0]]
    tombstones = [entry for entry in head if entry[1][1] is None]
    dropped = data.draw(st.integers(0, len(tombstones)))
    compacted = [entry for entry in head if entry not in tombstones[:dropped]] + log[cleaned_to:]
    assert fold(compacted).claims() == fold(log).claims()
