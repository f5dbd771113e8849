"""The cache of versions: bounded by what it holds, and the least used goes first."""

from __future__ import annotations

from eventplane.backends.schema_registry.contents import VersionCache
from eventplane.planning.schema_state import Definition, RegisteredVersion


def version(number: int, length: int = 10) -> RegisteredVersion:
    return RegisteredVersion(number, number, Definition("AVRO", "x" * length))


def test_what_is_kept_is_known_and_replaces_what_was() -> None:
    cache = VersionCache()
    cache.keep("orders", [version(1), version(2)])
    cache.keep("orders", [version(2), version(3)])
    assert sorted(cache.known("orders")) == [2, 3]
    assert cache.get("orders", 3) == version(3)
    assert cache.get("orders", 1) is None


def test_a_subject_is_forgotten_as_a_whole_also_one_that_was_not_known() -> None:
    cache = VersionCache()
    cache.keep("orders", [version(1)])
    cache.forget("orders")
    cache.forget("customers")
    assert cache.known("orders") == {}


def test_the_least_used_goes_when_there_is_too_much() -> None:
    cache = VersionCache(max_characters=25)
    cache.keep("a", [version(1)])
    cache.keep("b", [version(1)])
    assert cache.known("a")
    cache.keep("c", [version(1)])
    assert [bool(cache.known(each)) for each in "abc"] == [True, False, True]


def test_what_is_too_long_by_itself_is_not_kept_and_leaves_room_as_before() -> None:
    cache = VersionCache(max_characters=25)
    cache.keep("a", [version(1, 100)])
    assert cache.known("a") == {}
    cache.keep("b", [version(1, 25)])
    assert cache.known("b")
