"""How an object in the cluster differs from the manifest of it, where that says anything: the rest is others'."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from eventplane.planning.plan import Difference

MERGE_KEYS: Final = ("mountPath", "containerPort", "topologyKey", "uid", "name")
"""By what server-side apply tells the entries of a list apart, in the kinds that we apply; the first that all have, and
each another."""

_QUANTITIES: Final = frozenset({"requests", "limits", "sizeLimit"})
_QUANTITY: Final = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")
_FACTORS: Final = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}
_SHOWN: Final = 80
"""Characters of a value that are shown."""


def differences(live: Any, desired: Any, path: str) -> Iterator[Difference]:
    """Name the paths at which an object is not as its manifest says.

    | desired                              | fits                                                   |
    |--------------------------------------|--------------------------------------------------------|
    | nothing, or an empty map or list     | anything: the API server leaves out what is empty      |
    | an empty text                        | that, or nothing                                       |
    | a map                                | a map whose entries fit, and any others                |
    | a list of maps with a key            | those with the same keys, in any order, and any others |
    | another list                         | as many entries, each fits                             |
    | a quantity (requests, limits, sizes) | one of the same value: 0.5 and 500m                    |
    | else                                 | the same                                               |
    """
    if desired in (None, {}, []) or (desired == "" and live is None):
        return
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        for name, value in desired.items():
            yield from differences(live.get(name), value, f"{path}.{name}" if path else name)
    elif isinstance(desired, list | tuple) and isinstance(live, list | tuple):
        yield from _of_lists(live, desired, path)
    elif not _same(live, desired, path):
        yield Difference(path, _shown(desired), "absent" if live is None else _shown(live))


def _of_lists(live: Sequence[Any], desired: Sequence[Any], path: str) -> Iterator[Difference]:
    key = merge_key(desired)
    if key is not None:
        found = {each.get(key): each for each in live if isinstance(each, Mapping)}
        for entry in desired:
            yield from differences(found.get(entry[key]), entry, f"{path}[{entry[key]}]")
    elif len(live) != len(desired):
        yield Difference(path, _shown(desired), _shown(live))
    else:
        for number, (there, entry) in enumerate(zip(live, desired, strict=True)):
            yield from differences(there, entry, f"{path}[{number}]")


def merge_key(entries: Sequence[Any]) -> str | None:
    """Find what tells the entries of a list apart; None where it has none of the kind."""
    if not entries or not all(isinstance(each, Mapping) for each in entries):
        return None
    return next((key for key in MERGE_KEYS if _tells_apart(key, entries)), None)


def _tells_apart(key: str, entries: Sequence[Any]) -> bool:
    values = [each[key] for each in entries if key in each]
    return len(set(values)) == len(entries)


def _same(live: Any, desired: Any, path: str) -> bool:
    if live == desired:
        return True
    if not _QUANTITIES & set(path.split(".")):
        return False
    values = quantity(live), quantity(desired)
    return values[0] is not None and values[0] == values[1]


def quantity(text: Any) -> Decimal | None:
    """Read a quantity of Kubernetes: 500m is 0.5; None where it is none."""
    found = _QUANTITY.match(str(text))
    return Decimal(found[1]) * _FACTORS[found[2]] if found is not None else None


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
