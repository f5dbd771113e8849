"""Rotation: when a password has had its time, and until when the user that was replaced is let in.

An application has two users that take turns. Its Secret says which of them has the turn, and since when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from eventplane.api import ISSUED_AT_ANNOTATION, REPLACED_USER_ANNOTATION, ROTATE_ANNOTATION
from eventplane.api.access import Access
from eventplane.api.quantities import milliseconds
from eventplane.planning.access_state import ObservedPrincipal, ObservedSecret, other_user

_CLOCKS_DIFFER: Final = timedelta(hours=1)
"""What is dated later than that is dated wrong."""


@dataclass(frozen=True, slots=True)
class Issue:
    """How a password came about."""

    at: datetime
    """When; the record keeps seconds."""
    request: str | None = None
    """What the annotation that asks for rotation said then."""
    replaced: str | None = None
    """The user that had the turn before."""

    def annotations(self) -> Mapping[str, str]:
        """Record it on the Secret."""
        record = {
            ISSUED_AT_ANNOTATION: rfc3339(self.at),
            ROTATE_ANNOTATION: self.request,
            REPLACED_USER_ANNOTATION: self.replaced,
        }
        return {key: value for key, value in record.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a Secret holds."""

    user: str
    """Which of the two users has the turn."""
    password: str = field(repr=False)
    issue: Issue
    recorded: bool
    """The Secret says how its password came about; else it is taken to have come about now, and to replace a user."""


def credentials_in(secret: ObservedSecret, first: str, now: datetime) -> Credentials | None:
    """Read the credentials in a Secret of ours; None if it has no password.

    | record               | who has the turn                                            |
    |----------------------|-------------------------------------------------------------|
    | says who is replaced | the other one, whatever somebody made of the Secret's entries |
    | replaces nobody      | the first                                                   |
    | lost, or illegible   | whom `username` names, if that is one of the two, else the first |
    """
    data, record, users = secret.data or {}, secret.annotations, {first, other_user(first)}
    password, named = data.get("password"), data.get("username")
    if not password:
        return None
    at, request = _date(record.get(ISSUED_AT_ANNOTATION), now), record.get(ROTATE_ANNOTATION)
    replaced = record.get(REPLACED_USER_ANNOTATION)
    if at is None or (replaced is not None and replaced not in users):
        user = named if named in users else first
        return Credentials(user, password, Issue(now, request, other_user(user)), recorded=False)
    user = first if replaced is None else other_user(replaced)
    return Credentials(user, password, Issue(at, request, replaced), recorded=True)


def request_of(resource: Access) -> str | None:
    """Return the text of the annotation that asks for rotation by being another one."""
    return resource.metadata.annotations.get(ROTATE_ANNOTATION)


def is_due(resource: Access, issue: Issue, now: datetime) -> bool:
    """Tell whether another password is to take the place of one.

    | annotation           | age of the password  | due |
    |----------------------|----------------------|-----|
    | another than then    | any                  | yes |
    | the same, or none    | below rotateEvery    | no  |
    | the same, or none    | rotateEvery, or more | yes |
    """
    request, rotates_at = request_of(resource), rotation_time(resource, issue)
    return (request is not None and request != issue.request) or (rotates_at is not None and rotates_at <= now)


def is_retiring(resource: Access, issue: Issue, other: ObservedPrincipal, now: datetime, *, clients_gone: bool) -> bool:
    """Tell whether the user that the Secret does not name is one that was replaced and is still let in.

    Every other is left over from a rotation that was cut short, or whose time is over.
    """
    replaced = issue.replaced == other.user and other.iterations is not None
    return replaced and not clients_gone and now < retirement_time(resource, issue)


def rotation_time(resource: Access, issue: Issue) -> datetime | None:
    """Tell when a password is as old as it may get."""
    period = resource.spec.credentials.rotate_every
    return None if period is None else issue.at + _span(period)


def retirement_time(resource: Access, issue: Issue) -> datetime:
    """Tell when the user that was replaced is let in no more, if it is not done with before."""
    return issue.at + _span(resource.spec.credentials.grace)


def rfc3339(time: datetime) -> str:
    """Write a time as Kubernetes does, seconds."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(duration: str) -> timedelta:
    return timedelta(milliseconds=milliseconds(duration))


def _date(text: str | None, now: datetime) -> datetime | None:
    """Read a time that is past; None if it is none."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None and at - now < _CLOCKS_DIFFER else None
