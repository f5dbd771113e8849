"""What a decision about an application's access hangs on, and what of it its Secret says."""

from dataclasses import dataclass, field
from datetime import datetime

from eventplane.api.access import Access
from eventplane.api.event_bus import EventBus
from eventplane.planning.access_desired import DesiredAccess
from eventplane.planning.access_rotation import Credentials, credentials_in
from eventplane.planning.access_state import ObservedAccess, ObservedSecret


@dataclass(frozen=True, slots=True)
class AccessCase:
    """Everything that a decision about one Publication or Subscription hangs on."""

    resource: Access
    bus: EventBus
    desired: DesiredAccess
    observed: ObservedAccess
    new_password: str = field(repr=False)
    """A password that nobody knows, in case that one is needed."""
    now: datetime
    old_clients_gone: bool = False
    """Every client uses the user that the Secret names now, as is known from having looked since it does."""


def owns_secret(case: AccessCase) -> bool:
    """Tell whether the Secret exists and goes with the resource, or with one of its name that went before."""
    return is_owner(case, case.observed.secret)


def credentials_of(case: AccessCase, seen: ObservedAccess) -> Credentials | None:
    """Read the credentials in the resource's Secret, as seen; None where it has none, or they are not ours."""
    first = case.desired.user
    if first is None or not case.desired.has_password or not is_owner(case, seen.secret):
        return None
    return credentials_in(seen.secret, first, case.now)


def is_owner(case: AccessCase, secret: ObservedSecret) -> bool:
    """Tell whether a Secret goes with the resource, or with one of its name that went before."""
    return secret.owner == (case.resource.kind, case.resource.metadata.name)
