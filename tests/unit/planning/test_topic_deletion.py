"""What becomes of a topic with its resource: the rows of `plan_deletion`, orphans, stale claims."""

import pytest
from builders import (
    CLUSTER,
    IDLE_AFTER_MS,
    NOW_MS,
    TOPIC,
    claim,
    event_topic,
    existing,
    observed,
    orphan,
    owner,
    usage,
)

from eventplane.api.conditions import Reason
from eventplane.api.metadata import DeletionPolicy
from eventplane.planning.plan import Plan, Refusal
from eventplane.planning.topic_changes import DeleteTopic, ReleaseTopic, TopicChange
from eventplane.planning.topic_deletion import plan_deletion, plan_orphan, stale_claims
from eventplane.planning.topic_state import Claim, ExistingTopic, TopicUsage

OURS = owner()
RELEASE, DELETE = ReleaseTopic(TOPIC, OURS), DeleteTopic(TOPIC, "id-1")
EVERY: tuple[DeletionPolicy, ...] = ("Retain", "Delete", "DeleteIfEmpty", "DeleteIfIdle")
IDLE_SINCE = NOW_MS - IDLE_AFTER_MS


def there(seen: TopicUsage | None) -> ExistingTopic:
    return existing(usage=seen)


@pytest.mark.parametrize(
    ("standing", "topic", "policies", "expected"),
    [
        pytest.param(None, there(usage()), EVERY, Plan(), id="no claim"),
        pytest.param(claim(owner("other")), there(usage()), EVERY, Plan(), id="another's"),
        pytest.param(claim(owner(uid="before")), there(usage()), EVERY, Plan(), id="a predecessor's"),
        pytest.param(claim(owner(cluster="other")), there(usage()), EVERY, Plan(), id="another cluster's"),
        pytest.param(claim(), None, EVERY, Plan((RELEASE,)), id="ours, absent"),
        pytest.param(claim(topic_id="id-0"), there(usage()), EVERY, Plan((RELEASE,)), id="ours, not the one claimed"),
        pytest.param(claim(topic_id=None), there(usage()), EVERY, Plan((RELEASE,)), id="ours, without id: no proof"),
        pytest.param(claim(), there(None), ("Retain",), Plan((RELEASE,)), id="Retain"),
        pytest.param(claim(), there(None), ("Delete",), Plan((DELETE, RELEASE)), id="Delete"),
        pytest.param(
            claim(), there(None), ("DeleteIfEmpty", "DeleteIfIdle"), Plan(needs_usage=True), id="usage decides"
        ),
        pytest.param(claim(), there(usage()), ("DeleteIfEmpty",), Plan((DELETE, RELEASE)), id="no records"),
        pytest.param(
            claim(),
            there(usage(groups=("g",))),
            ("DeleteIfEmpty",),
            Plan((DELETE, RELEASE)),
            id="no records, who reads nothing loses nothing",
        ),
        pytest.param(
            claim(),
            there(usage(records=True)),
            ("DeleteIfEmpty",),
            Refusal(
                Reason.NOT_EMPTY,
                "topic shop.orders holds records: set deletionPolicy to Retain to keep the topic, or to Delete to"
                " delete it all the same",
            ),
            id="records",
        ),
        pytest.param(claim(), there(usage()), ("DeleteIfIdle",), Plan((DELETE, RELEASE)), id="idle and empty"),
        pytest.param(
            claim(),
            there(usage(records=True, newest_ms=IDLE_SINCE)),
            ("DeleteIfIdle",),
            Plan((DELETE, RELEASE)),
            id="idle for just long enough",
        ),
        pytest.param(
            claim(),
            there(usage(records=True, newest_ms=IDLE_SINCE + 1)),
            ("DeleteIfIdle",),
            Refusal(
                Reason.IN_USE,
                "topic shop.orders has been written to recently: stop it, or set deletionPolicy to Retain to keep the"
                " topic, or to Delete to delete it all the same",
            ),
            id="written to recently",
        ),
        pytest.param(
            claim(),
            there(usage(groups=("billing", "search"))),
            ("DeleteIfIdle",),
            Refusal(
                Reason.IN_USE,
                "topic shop.orders is read by the active group billing, search: stop it, or set deletionPolicy to"
                " Retain to keep the topic, or to Delete to delete it all the same",
            ),
            id="read",
        ),
    ],
)
def test_plan_deletion(
    standing: Claim | None,
    topic: ExistingTopic | None,
    policies: tuple[DeletionPolicy, ...],
    expected: Plan[TopicChange] | Refusal,
) -> None:
    for policy in policies:
        made = plan_deletion(policy, observed(topic, standing), OURS, now_ms=NOW_MS, idle_after_ms=IDLE_AFTER_MS)
        assert made == (Plan(refusals=(expected,)) if isinstance(expected, Refusal) else expected)


def test_a_topic_that_applications_name_is_in_use_though_nobody_reads_it_now() -> None:
    def planned(policy: DeletionPolicy) -> Plan[TopicChange]:
        seen = observed(there(usage()), claim())
        users = ("Subscription shop/billing",)
        return plan_deletion(policy, seen, OURS, now_ms=NOW_MS, idle_after_ms=IDLE_AFTER_MS, users=users)

    refused = planned("DeleteIfIdle").refusals
    assert [each.reason for each in refused] == [Reason.IN_USE]
    assert "topic shop.orders is named by Subscription shop/billing: stop it, or " in refused[0].message
    assert planned("DeleteIfEmpty").changes == planned("Delete").changes == (DELETE, RELEASE)


# --- the bus is back


@pytest.mark.parametrize(
    ("policy", "topic_id", "standing", "topic", "expected"),
    [
        pytest.param("Delete", "id-1", claim(), there(usage(records=True)), (DELETE, RELEASE), id="Delete"),
        pytest.param("Retain", "id-1", claim(), there(usage()), (RELEASE,), id="Retain"),
        pytest.param("DeleteIfEmpty", "id-1", claim(), there(usage()), (DELETE, RELEASE), id="empty"),
        pytest.param("DeleteIfEmpty", "id-1", claim(), there(usage(records=True)), (RELEASE,), id="not empty: kept"),
        pytest.param("DeleteIfIdle", "id-1", claim(), there(usage(groups=("g",))), (RELEASE,), id="in use: kept"),
        pytest.param("Delete", "id-1", claim(), None, (RELEASE,), id="gone meanwhile"),
        pytest.param("Delete", None, claim(), there(usage()), (DELETE, RELEASE), id="only the claim has an id"),
        pytest.param("Delete", "id-0", claim(), there(usage()), (RELEASE,), id="not the topic it left behind: kept"),
        pytest.param("Delete", "id-1", claim(topic_id="id-0"), there(usage()), (RELEASE,), id="replaced: kept"),
        pytest.param("Delete", "id-1", claim(owner("other")), there(usage()), (), id="another's by now"),
        pytest.param("Delete", "id-1", None, there(usage()), (), id="unclaimed by now"),
    ],
)  # fmt: skip
def test_plan_orphan(
    policy: DeletionPolicy,
    topic_id: str | None,
    standing: Claim | None,
    topic: ExistingTopic | None,
    expected: tuple[TopicChange, ...],
) -> None:
    left = orphan(event_topic(deletion_policy=policy), topic_id=topic_id)
    plan = plan_orphan(left, observed(topic, standing), CLUSTER, now_ms=NOW_MS, idle_after_ms=IDLE_AFTER_MS)
    assert plan == Plan(expected)


def test_stale_claims() -> None:
    claims = {
        "z-gone": claim(owner("gone", uid="gone")),
        "alive": claim(owner("alive", uid="alive")),
        "orphaned": claim(owner("orphaned", uid="orphaned")),
        "elsewhere": claim(owner("gone", uid="gone", cluster="cluster-2")),
        "a-gone": claim(owner("gone", uid="gone"), topic_id=None),
    }
    left = orphan(event_topic(uid="orphaned"))
    assert stale_claims(claims, CLUSTER, ["alive"], [left]) == (
        ReleaseTopic("a-gone", owner("gone", uid="gone")),
        ReleaseTopic("z-gone", owner("gone", uid="gone")),
    )
