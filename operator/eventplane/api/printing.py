"""What `kubectl get` shows of every kind: the columns that several kinds have in common."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

Column: TypeAlias = Mapping[str, Any]
"""An entry of a CRD's additionalPrinterColumns."""


def condition_column(name: str, kind: str, shown: Literal["status", "reason", "message"], **more: Any) -> Column:
    """Show a part of a condition."""
    return {"name": name, "type": "string", "jsonPath": f'.status.conditions[?(@.type=="{kind}")].{shown}', **more}


READY: Final = condition_column("Ready", "Ready", "status")
REASON: Final = condition_column("Reason", "Ready", "reason")
BUS: Final[Column] = {"name": "Bus", "type": "string", "jsonPath": ".status.bus", "priority": 1}
MESSAGE: Final = condition_column("Message", "Ready", "message", priority=1)
AGE: Final[Column] = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
