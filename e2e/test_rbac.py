"""What the operator may do: exactly this, found in the rights that the chart's install gives, and tried."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.cluster.commands import CommandError, output
from hack.generate import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.cluster import Cluster

pytestmark = pytest.mark.cluster

Rights = set[tuple[str, str, str]]

CLUSTER_WIDE: Rights = {
    ("events.sindhan.ai/deadletterpolicies", "", "get"),
    ("events.sindhan.ai/deadletterpolicies", "", "list"),
    ("events.sindhan.ai/deadletterpolicies", "", "watch"),
    ("events.sindhan.ai/deadletterpolicies/status", "", "patch"),
    ("events.sindhan.ai/eventbuses", "", "get"),
    ("events.sindhan.ai/eventbuses", "", "list"),
    ("events.sindhan.ai/eventbuses", "", "watch"),
    ("events.sindhan.ai/eventbuses/status", "", "patch"),
    ("events.sindhan.ai/eventtopics", "", "get"),
    ("events.sindhan.ai/eventtopics", "", "list"),
    ("events.sindhan.ai/eventtopics", "", "patch"),
    ("events.sindhan.ai/eventtopics", "", "watch"),
    ("events.sindhan.ai/eventtopics/status", "", "patch"),
    ("events.sindhan.ai/publications", "", "get"),
    ("events.sindhan.ai/publications", "", "list"),
    ("events.sindhan.ai/publications", "", "watch"),
    ("events.sindhan.ai/publications/status", "", "patch"),
    ("events.sindhan.ai/subscriptions", "", "get"),
    ("events.sindhan.ai/subscriptions", "", "list"),
    ("events.sindhan.ai/subscriptions", "", "watch"),
    ("events.sindhan.ai/subscriptions/status", "", "patch"),
    ("events.sindhan.ai/schemas", "", "get"),
    ("events.sindhan.ai/schemas", "", "list"),
    ("events.sindhan.ai/schemas", "", "patch"),
    ("events.sindhan.ai/schemas", "", "watch"),
    ("events.sindhan.ai/schemas/status", "", "patch"),
    ("configmaps", "", "get"),
    ("events", "", "create"),
    ("namespaces", "", "get"),
    ("namespaces", "", "list"),
    ("namespaces", "", "watch"),
}
AT_HOME: Rights = {
    ("coordination.k8s.io/leases", "", "create"),
    ("coordination.k8s.io/leases", "RELEASE", "get"),
    ("coordination.k8s.io/leases", "RELEASE", "patch"),
    ("coordination.k8s.io/leases", "RELEASE", "update"),
}
READ_SECRETS: Rights = {("secrets", "", "get")}
KEEP_SECRETS: Rights = {("secrets", "", verb) for verb in ("create", "get", "patch")}
KEEP_WORKLOADS: Rights = {
    *(("apps/deployments", "", verb) for verb in ("create", "delete", "get", "list", "patch", "watch")),
    *(("configmaps", "", verb) for verb in ("create", "delete", "get", "list", "patch")),
    *(("serviceaccounts", "", verb) for verb in ("create", "delete", "get", "list", "patch")),
    *(("policy/poddisruptionbudgets", "", verb) for verb in ("create", "delete", "get", "list", "patch")),
    *(("events.sindhan.ai/eventtopics", "", verb) for verb in ("create", "delete")),
    *(("keda.sh/scaledobjects", "", verb) for verb in ("create", "delete", "get", "list", "patch")),
    *(("keda.sh/triggerauthentications", "", verb) for verb in ("create", "delete", "get", "list", "patch")),
    *(("pods", "", verb) for verb in ("list", "watch")),
}


KEEP_GATEWAYS: Rights = {
    *(("services", "", verb) for verb in ("create", "delete", "get", "list", "patch")),
    ("secrets", "", "delete"),
}


class Install:
    """The rights of a release, without its pods, beside namespaces with a bus, gateway, applications, and bare."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.home, self.consenting, self.applications, self.gateways, self.other = (
            f"{name}-{what}" for what in ("home", "bus", "applications", "gateways", "other")
        )
        self.user = f"system:serviceaccount:{self.home}:{name}"

    def rights_in(self, namespace: str) -> Rights:
        """Return what it may do in a namespace beyond what Kubernetes grants to every service account."""
        return self._rights(self.user, namespace) - self._rights(
            f"system:serviceaccount:{self.home}:default", namespace
        )

    def _rights(self, who: str, namespace: str) -> Rights:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        words = ("create", "--validate=false", f"--as={who}", "-o", "json", "-f", "-")
        answer = json.loads(self.cluster.kubectl(*words, feed=json.dumps(review).encode()))
        assert not answer["status"]["incomplete"]
        return {
            (f"{group}/{resource}".removeprefix("/"), name.replace(self.name, "RELEASE"), verb)
            for rule in answer["status"]["resourceRules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for name in rule.get("resourceNames") or [""]
            for verb in rule["verbs"]
        }


def may(install: Install, who: str, namespace: str, *words: str) -> bool:
    """Ask the API server whether somebody may do something in a namespace."""
    try:
        install.cluster.kubectl("auth", "can-i", *words, f"--as={who}", "-n", namespace)
    except CommandError as no:
        if "rror" in str(no):  # and not just a `no`, which ends with code 1 too
            raise
        return False
    return True


@pytest.fixture(scope="module")
def install(cluster: Cluster) -> Iterator[Install]:
    """Rights as the chart gives them, under a name of our own, so that they are not those of another release."""
    made = Install(cluster, f"rbac-{uuid.uuid4().hex[:8]}")
    namespaces = (made.home, made.consenting, made.applications, made.gateways, made.other)
    rights = rendered_rights(made)
    try:
        for namespace in namespaces:
            cluster.kubectl("create", "namespace", namespace)
        cluster.kubectl("apply", "-f", "-", feed=rights)
        yield made
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", feed=rights)
        cluster.kubectl("delete", "namespace", "--ignore-not-found", "--wait=false", *namespaces)


def rendered_rights(install: Install) -> bytes:
    settings = (
        f"fullnameOverride={install.name}",
        f"secretNamespaces={{{install.consenting}}}",
        f"applicationNamespaces={{{install.applications}}}",
        f"gateways[0].namespace={install.gateways}",
        "gateways[0].bus=main",
        "replicas=0",
    )
    words = [word for setting in settings for word in ("--set", setting)]
    version = ("--kube-version", "1.30.0")
    rendered = output(
        [
            install.cluster.helm_path,
            "template",
            "rights",
            ROOT / "charts/eventplane",
            "-n",
            install.home,
            *version,
            *words,
        ]
    )
    kept = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    documents = [each for each in yaml.safe_load_all(rendered) if each and each["kind"] in kept]
    return yaml.safe_dump_all(documents).encode()


def test_its_rights_are_exactly_these(install: Install) -> None:
    assert install.rights_in(install.other) == CLUSTER_WIDE
    assert install.rights_in("kube-system") == CLUSTER_WIDE
    assert install.rights_in(install.consenting) == CLUSTER_WIDE | READ_SECRETS
    assert install.rights_in(install.applications) == CLUSTER_WIDE | KEEP_SECRETS | KEEP_WORKLOADS
    kept = KEEP_SECRETS | KEEP_WORKLOADS | KEEP_GATEWAYS
    assert install.rights_in(install.gateways) == CLUSTER_WIDE | kept
    assert install.rights_in(install.home) == CLUSTER_WIDE | READ_SECRETS | AT_HOME


def test_nothing_else_is_bound_to_it(install: Install) -> None:
    bindings = json.loads(install.cluster.kubectl("get", "clusterrolebindings,rolebindings", "-A", "-o", "json"))[
        "items"
    ]
    bound = {
        (binding["metadata"].get("namespace", ""), binding["roleRef"]["name"])
        for binding in bindings
        if is_subject(install, binding)
    }
    assert bound == {
        ("", install.name),
        (install.home, install.name),
        (install.home, f"{install.name}-secret-reader"),
        (install.consenting, f"{install.name}-secret-reader"),
        (install.applications, f"{install.name}-application"),
        (install.gateways, f"{install.name}-application"),
        (install.gateways, f"{install.name}-gateway"),
    }


def test_a_gateway_may_ask_whose_a_token_is_and_nothing_else(install: Install) -> None:
    gateway, neighbour = (f"system:serviceaccount:{install.gateways}:{name}" for name in ("main-gateway", "default"))
    words = ("create", "tokenreviews.authentication.k8s.io")
    assert may(install, gateway, install.gateways, *words)
    assert not may(install, neighbour, install.gateways, *words)
    assert not may(install, install.user, install.gateways, *words)
    for beyond in (("get", "secrets"), ("list", "pods"), ("create", "subjectaccessreviews.authorization.k8s.io")):
        assert not may(install, gateway, install.gateways, *beyond)


def is_subject(install: Install, binding: dict[str, Any]) -> bool:
    return any(
        subject["kind"] == "ServiceAccount" and subject.get("namespace") == install.home
        for subject in binding.get("subjects", ())
    )


def test_secrets_of_other_namespaces_are_not_readable(install: Install) -> None:
    for namespace in (install.home, install.consenting, install.other):
        install.cluster.kubectl("create", "secret", "generic", "credentials", "--from-literal=a=b", "-n", namespace)
    words = ("get", "secret", "credentials", f"--as={install.user}", "-o", "name", "-n")
    assert install.cluster.kubectl(*words, install.home).strip() == "secret/credentials"
    assert install.cluster.kubectl(*words, install.consenting).strip() == "secret/credentials"
    with pytest.raises(CommandError, match="forbidden"):
        install.cluster.kubectl(*words, install.other)
    for namespace in (install.home, install.consenting):
        with pytest.raises(CommandError, match="forbidden"):
            install.cluster.kubectl("get", "secrets", f"--as={install.user}", "-n", namespace)


def test_a_consent_by_hand_is_enough(install: Install) -> None:
    namespace = install.other
    words = ("create", "rolebinding", "eventplane", f"--clusterrole={install.name}-secret-reader", "-n", namespace)
    assert not may(install, install.user, namespace, "get", "secrets/login")
    install.cluster.kubectl(*words, f"--serviceaccount={install.home}:{install.name}")
    try:
        assert may(install, install.user, namespace, "get", "secrets/login")
    finally:
        install.cluster.kubectl("delete", "rolebinding", "eventplane", "-n", namespace)


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("patch", "eventtopics.events.sindhan.ai"), True),
        (("delete", "eventtopics.events.sindhan.ai"), False),
        (("create", "eventtopics.events.sindhan.ai"), False),
        (("patch", "eventbuses.events.sindhan.ai"), False),
        (("update", "eventtopics.events.sindhan.ai", "--subresource=status"), False),
        (("patch", "publications.events.sindhan.ai"), False),
        (("patch", "subscriptions.events.sindhan.ai"), False),
        (("patch", "deadletterpolicies.events.sindhan.ai"), False),
        (("list", "secrets"), False),
        (("create", "secrets"), False),
        (("create", "pods"), False),
        (("create", "deployments.apps"), False),
        (("create", "serviceaccounts", "--subresource=token"), False),
        (("get", "customresourcedefinitions.apiextensions.k8s.io"), False),
        (("create", "clusterrolebindings.rbac.authorization.k8s.io"), False),
        (("create", "services"), False),
        (("delete", "secrets"), False),
        (("impersonate", "users"), False),
        (("escalate", "clusterroles.rbac.authorization.k8s.io"), False),
    ],
)
def test_what_matters_is_tried_one_by_one(install: Install, words: tuple[str, ...], *, allowed: bool) -> None:
    assert may(install, install.user, install.home, *words) is allowed


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        ("view", "get", "eventtopics.events.sindhan.ai", True),
        ("view", "create", "eventtopics.events.sindhan.ai", False),
        ("edit", "create", "eventtopics.events.sindhan.ai", True),
        ("edit", "list", "eventbuses.events.sindhan.ai", True),
        ("admin", "delete", "eventtopics.events.sindhan.ai", True),
        ("admin", "create", "eventbuses.events.sindhan.ai", False),
    ],
)
def test_people_with_the_built_in_roles_work_with_topics(
    install: Install, role: str, verb: str, resource: str, *, allowed: bool
) -> None:
    who, binding = f"{install.name}-{role}", f"{role}-{verb}-{allowed}".lower()
    words = ("create", "rolebinding", binding, f"--clusterrole={role}", f"--user={who}", "-n", install.other)
    install.cluster.kubectl(*words)
    try:
        assert may(install, who, install.other, verb, resource) is allowed
    finally:
        install.cluster.kubectl("delete", "rolebinding", binding, "-n", install.other)


def test_its_pods_are_admitted_where_the_restricted_standard_is_enforced(install: Install) -> None:
    words = ("label", "namespace", install.home, "pod-security.kubernetes.io/enforce=restricted")
    install.cluster.kubectl(*words)
    documents = yaml.safe_load_all((ROOT / "manifests/install.yaml").read_text())
    template = next(each for each in documents if each and each["kind"] == "Deployment")["spec"]["template"]
    template["spec"]["serviceAccountName"] = install.name
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "operator"}}
    create = ("create", "--dry-run=server", "-n", install.home, "-f", "-")
    install.cluster.kubectl(*create, feed=json.dumps(pod).encode())
    pod["spec"]["securityContext"] = {}
    with pytest.raises(CommandError, match="violates PodSecurity"):
        install.cluster.kubectl(*create, feed=json.dumps(pod).encode())
