"""What a bench says in the end: a table for people, then one line of JSON."""

import json
from collections.abc import Mapping
from typing import Any


def rounded(value: Any) -> Any:
    """Round the seconds and ratios in a structure."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value


def print_report(measured: Mapping[str, Any]) -> None:
    """Print the table, and as the last line the same as JSON."""
    print()
    for name, value in _rows("", rounded(measured)):
        print(f"{name:<48} {value}")
    print(json.dumps(rounded(measured)), flush=True)


def _rows(prefix: str, measured: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in measured.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values()):
            rows += _rows(f"{name} · ", value)
        elif isinstance(value, Mapping):
            rows.append((name, "  ".join(f"{inner} {number}" for inner, number in value.items())))
        else:
            rows.append((name, str(value)))
    return rows
