"""The Secret of an application: what is written into it, when, and what of that repairs what somebody did to it."""

from collections.abc import Mapping
from dataclasses import replace

from eventplane.api import REGISTRY_LOGIN_ANNOTATION
from eventplane.api.conditions import Reason
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import AccessChange, WriteSecret
from eventplane.planning.access_rotation import rfc3339
from eventplane.planning.access_state import ObservedSecret
from eventplane.planning.binding import registry_login, with_login
from eventplane.planning.plan import Difference, Plan, Refusal


def align_secret(
    case: AccessCase, password: str, user: str | None, record: Mapping[str, str], *, recorded: bool, repairs: bool
) -> Plan[AccessChange]:
    """Plan what becomes of a Secret that keeps its password; the first row that fits wins.

    | what it holds                                  | plan                                                     |
    |------------------------------------------------|----------------------------------------------------------|
    | what is asked for, and when that came          | nothing                                                  |
    | what is asked for, but for the registry's login| write it: that has been replaced, and nobody meddled     |
    | something else, and that is to be repaired     | write it: that is a difference                           |
    | anything, but not when it came                 | write what of ours it holds, and that it came now        |

    Args:
        case: everything it hangs on.
        password: the password in it.
        user: which user that is of; None where there is none.
        record: how that password came about.
        recorded: whether the Secret says so.
        repairs: whether what somebody did to it is undone.
    """
    data, wanted = case.observed.secret.data or {}, case.desired.secret_data(password, user)
    if not case.desired.is_in(data, password, user):
        if _has_only_another_login(case, data, password, user):
            return Plan((write(case, wanted, record, user),))
        if repairs:
            return written(case, write(case, wanted, record, user))
    ours = {key: value for key, value in data.items() if key in wanted}
    if recorded and write(case, ours, record, user).annotations.items() <= case.observed.secret.annotations.items():
        return Plan()
    return Plan((write(case, ours, record, user),))


def write(case: AccessCase, data: Mapping[str, str], record: Mapping[str, str], user: str | None = None) -> WriteSecret:
    """Write a Secret, and on it how its password came about, and since when it has its login for the registry."""
    query, resource = case.desired.query, case.resource
    owner = (resource.kind, resource.metadata.name, resource.metadata.uid)
    annotations = {**record, **_login_record(case, data)}
    return WriteSecret(user or case.desired.user, query.namespace, query.secret_name, owner, data, annotations)


def written(case: AccessCase, change: WriteSecret) -> Plan[AccessChange]:
    """Plan to write a Secret that is absent, or not as it should be."""
    actual = "absent" if case.observed.secret.data is None else "something else"
    return Plan((change,), differences=(Difference(f"Secret {change.name}", "credentials", actual),))


def not_ours(case: AccessCase, secret: ObservedSecret) -> Refusal:
    """Refuse to touch a Secret that does not go with the resource."""
    name, kind = case.desired.query.secret_name, case.resource.kind
    owner = "nobody" if secret.owner is None else " ".join(secret.owner)
    return Refusal(
        Reason.SECRET_OWNED_BY_ANOTHER,
        f"Secret {name} exists and belongs to {owner}: create a {kind} with another secretName, or delete that Secret",
    )


def _has_only_another_login(case: AccessCase, data: Mapping[str, str], password: str, user: str | None) -> bool:
    """Tell whether a Secret is as it was before the bus got another login for applications."""
    if case.desired.registry is None:
        return False
    before = replace(case.desired, registry=with_login(case.desired.registry, registry_login(data)))
    return before.is_in(data, password, user)


def _login_record(case: AccessCase, data: Mapping[str, str]) -> Mapping[str, str]:
    """Date the login for the registry, which says nothing about it, and is another one when that is."""
    login, secret = registry_login(data), case.observed.secret
    if not login:
        return {}
    known = secret.annotations.get(REGISTRY_LOGIN_ANNOTATION)
    if known is None or registry_login(secret.data or {}) != login:
        known = rfc3339(case.now)
    return {REGISTRY_LOGIN_ANNOTATION: known}
