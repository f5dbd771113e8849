"""What the last looks at offsets showed, in memory: exact for metrics, calm for status. Without IO."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from eventplane.api.subscription import Subscription
from eventplane.controllers.shelf import Key
from eventplane.planning.gauges import Account, Measured, Role, account
from eventplane.telemetry import (
    DEAD_LETTER_AGE,
    DEAD_LETTERS,
    RETRIES,
    SUBSCRIPTION_LAG,
    Gauge,
    Samples,
)


@dataclass(frozen=True, slots=True)
class News:
    """Whose figures have changed by a look."""

    subscriptions: frozenset[Key] = frozenset()
    """Subscriptions of which their status would say something else."""
    holders: frozenset[Key] = frozenset()
    """Subscriptions whose retry or dead-letter topics hold something else, or something older."""


class GaugeBook:
    """The accounts of all Subscriptions. One that a bus does not have any more is forgotten with the next look."""

    def __init__(self) -> None:
        self._accounts: dict[Key, Account] = {}
        self._of: dict[Key, frozenset[Key]] = {}

    def record(self, bus: Key, measured: Mapping[Key, Sequence[Measured]], shown: Mapping[Key, int | None]) -> News:
        """Take note of a look at everything that a bus has.

        Args:
            bus: which bus.
            measured: what was seen, by Subscription, of all that the bus has.
            shown: the lag that their statuses show: so that a restart changes nothing by itself.
        """
        before = {key: self._accounts.get(key) for key in measured}
        after = {key: account(before[key] or _as_shown(shown.get(key)), those) for key, those in measured.items()}
        self._leave(self._of.get(bus, frozenset()) - measured.keys())
        self._accounts |= after
        self._of[bus] = frozenset(measured)
        return News(
            frozenset(
                key for key, each in after.items() if each.outward != (before[key] or _as_shown(shown.get(key))).outward
            ),
            frozenset(key for key, each in after.items() if _holdings(before[key]) != _holdings(each)),
        )

    def silence(self, bus: Key) -> None:
        """Have no exact figures of a bus that cannot be looked at; what statuses say stays."""
        for key in self._of.get(bus, ()):
            self._accounts[key] = replace(self._accounts[key], exact=())

    def forget(self, bus: Key) -> None:
        """Forget everything about a bus that is gone."""
        self._leave(self._of.pop(bus, frozenset()))

    def _leave(self, keys: Collection[Key]) -> None:
        for key in keys:
            self._accounts.pop(key, None)

    # --- look-ups

    def account_of(self, key: Key) -> Account | None:
        """Return what is known of the topics of a Subscription; None before the first look."""
        return self._accounts.get(key)

    def lag_of(self, resource: Subscription) -> int | None:
        """Return what the status of a Subscription is to say about its lag; before the first look, what it says."""
        known = self._accounts.get(resource.metadata.key)
        return resource.status.lag if known is None else known.lag

    def drained(self, key: Key) -> frozenset[str]:
        """Name the topics of a Subscription that nothing asks for any more and that have been empty for a while."""
        known = self._accounts.get(key)
        return frozenset() if known is None else known.drained

    def samples(self) -> Mapping[Gauge, Samples]:
        """Return the exact figures as metrics."""
        looks = [each for known in self._accounts.values() for each in known.exact]
        holding = [(each, each.total) for each in looks if each.total is not None]
        return {
            SUBSCRIPTION_LAG: dict(_lags(looks)),
            DEAD_LETTERS: _by_topic(holding, Role.DEAD_LETTER),
            RETRIES: _by_topic(holding, Role.RETRY),
            DEAD_LETTER_AGE: {_labels(each): each.age_ms / 1000 for each in looks if each.age_ms is not None},
        }


def _as_shown(lag: int | None) -> Account:
    return Account(waiting=() if lag is None else (lag,))


def _holdings(known: Account | None) -> object:
    return None if known is None else known.holdings


def _lags(looks: Sequence[Measured]) -> Iterator[tuple[tuple[str, ...], float]]:
    for each in looks:
        if each.gauge.role is Role.SOURCE:
            for partition, events in each.events.items():
                yield (*_labels(each), str(partition)), events


def _by_topic(holding: Sequence[tuple[Measured, int]], role: Role) -> Samples:
    return {_labels(each): total for each, total in holding if each.gauge.role is role}


def _labels(measured: Measured) -> tuple[str, str, str]:
    namespace, name = measured.gauge.subscription
    return (namespace, name, measured.gauge.topic)
