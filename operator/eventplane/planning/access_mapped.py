"""The planner of access for principals that are mapped: Kafka is told what they may do, and never who they are."""

from dataclasses import replace

from eventplane.api.conditions import Reason
from eventplane.planning.access_alignment import align_grants, joined
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import AccessChange
from eventplane.planning.access_secret import align_secret
from eventplane.planning.access_state import Grant
from eventplane.planning.mapped_principals import holder_of
from eventplane.planning.plan import Plan, Refusal


def plan_mapped(case: AccessCase, mark: Grant, *, repairs: bool) -> Plan[AccessChange]:
    """Plan the access of an application whose principal is mapped to it; the first row that fits wins.

    | who holds the principal | what it may do        | plan                                                  |
    |-------------------------|-----------------------|-------------------------------------------------------|
    | another                 | any                   | refuse PrincipalOwnedByAnother                        |
    | nobody; there is an     | any                   | refuse PrincipalOwnedByAnother: that takes it         |
    | elder to whom it is     |                       |                                                       |
    | mapped as well          |                       |                                                       |
    | nobody                  | more than is asked for| refuse PrincipalHasAccess: others have granted that   |
    | nobody                  | no more               | put the Secret right, mark the principal, then grant  |
    | we                      | any                   | put the Secret right, grant and revoke                |

    Args:
        case: everything it hangs on.
        mark: what says that the principal is this application's.
        repairs: whether what was done behind our back is undone.
    """
    shown, wanted = case.observed.user(case.desired.user or ""), case.desired.grants
    holder = holder_of(shown.grants)
    refusal = _refusal(case, holder, mark, shown.grants - wanted)
    if refusal is not None:
        return Plan(refusals=(refusal,))
    secret = align_secret(case, "", None, {}, recorded=True, repairs=repairs)
    if not repairs:
        return secret
    if holder is not None:
        return joined((secret, align_grants(shown, wanted)))
    marked = replace(shown, grants=shown.grants | {mark})
    return joined((secret, align_grants(shown, marked.grants), align_grants(marked, wanted)))


def _refusal(case: AccessCase, holder: str | None, mark: Grant, extra: frozenset[Grant]) -> Refusal | None:
    principal, rival = case.desired.user, case.desired.rival
    if holder not in {None, mark.name}:
        return Refusal(
            Reason.PRINCIPAL_OWNED_BY_ANOTHER,
            f"principal {principal} has what {holder} may do: delete that, or ask the owner of the EventBus for another"
            " template in spec.kafka.principals",
        )
    if holder is None and rival is not None:
        return Refusal(
            Reason.PRINCIPAL_OWNED_BY_ANOTHER,
            f"principal {principal} is mapped to {rival} as well, which is older: delete that, or create this one by"
            " another name",
        )
    if holder is None and extra:
        grants = ", ".join(grant.describe() for grant in sorted(extra))
        return Refusal(
            Reason.PRINCIPAL_HAS_ACCESS,
            f"principal {principal} may already {grants}, which nobody has granted from here: add what it needs to this"
            " resource, and delete those ACLs, or create this resource by another name",
        )
    return None
