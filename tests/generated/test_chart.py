"""The chart gives what its values say, and never a pod with more rights than it needs."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import kopf
import pytest
import yaml
from cryptography import x509

from e2e.cluster.commands import CommandError, output
from eventplane.api.schema import Schema
from eventplane.controllers.admission import register_admission
from eventplane.controllers.store import Store
from eventplane.settings import OperatorSettings
from hack.generate import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Manifests = dict[tuple[str, str], dict[str, Any]]
    Render = Callable[..., Manifests]

DEPLOYMENT = ("Deployment", "home/eventplane")
SERVICE_ACCOUNT = [{"kind": "ServiceAccount", "name": "eventplane", "namespace": "home"}]
OPTIONS = {
    "defaults": (),
    "one replica without webhook": ("replicas=1", "webhook.enabled=false"),
    "certificate by cert-manager": ('webhook.certificate="certManager"', "serviceMonitor.enabled=true"),
    "certificate by an issuer": (
        'webhook.certificate="certManager"',
        'webhook.certManager.issuerRef={"kind": "ClusterIssuer", "name": "corporate"}',
    ),
    "certificate in a Secret": (
        'webhook.certificate="existingSecret"',
        'webhook.existingSecret="ours"',
        'webhook.caBundle="Zm9v"',
    ),
    "everything about pods": (
        'affinity={"podAntiAffinity": {}}',
        'imagePullSecrets=[{"name": "registry"}]',
        'nodeSelector={"disk": "ssd"}',
        'podAnnotations={"a": "b"}',
        'podLabels={"c": "d"}',
        'priorityClassName="system-cluster-critical"',
        'tolerations=[{"operator": "Exists"}]',
    ),
    "an account of one's own": ("serviceAccount.create=false", 'serviceAccount.name="mine"'),
}


@pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS)
def test_every_option_renders_a_pod_that_meets_the_restricted_standard(
    rendered: Render, settings: tuple[str, ...]
) -> None:
    assert violations(pod_of(rendered(*settings))) == []


def test_the_check_of_the_standard_notices_what_breaks_it(rendered: Render) -> None:
    pod = pod_of(rendered())
    pod["hostNetwork"] = True
    pod["securityContext"] = {}
    pod["volumes"] = [{"name": "host", "hostPath": {"path": "/"}}]
    pod["containers"][0]["securityContext"] = {"capabilities": {"add": ["SYS_ADMIN"]}, "privileged": True}
    assert len(violations(pod)) == 9


def violations(pod: dict[str, Any]) -> list[str]:
    """Say what of a pod breaks the restricted standard, or our own: a root file system that nobody writes to.

    Source: kubernetes.io, "Pod Security Standards", baseline and restricted.
    """
    security = pod.get("securityContext", {})
    broken = {
        "shares the host's namespaces": any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
        "may run as root": security.get("runAsNonRoot") is not True or security.get("runAsUser", 1) == 0,
        "has no seccomp profile": security.get("seccompProfile") != {"type": "RuntimeDefault"},
        "mounts what a pod has no business with": any(
            set(volume) - {"name", "configMap", "emptyDir", "secret"} for volume in pod.get("volumes", ())
        ),
    }
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        own = container.get("securityContext", {})
        broken |= {
            "is privileged": own.get("privileged", False),
            "may gain privileges": own.get("allowPrivilegeEscalation") is not False,
            "keeps capabilities": own.get("capabilities", {}).get("drop") != ["ALL"],
            "adds capabilities": bool(own.get("capabilities", {}).get("add")),
            "takes a port of the host": any("hostPort" in port for port in container.get("ports", ())),
            "writes to its root file system": own.get("readOnlyRootFilesystem") is not True,
        }
    return [what for what, is_broken in broken.items() if is_broken]


def pod_of(manifests: Manifests) -> dict[str, Any]:
    pod: dict[str, Any] = manifests[DEPLOYMENT]["spec"]["template"]["spec"]
    return pod


def environment_of(manifests: Manifests) -> dict[str, str | None]:
    return {entry["name"]: entry.get("value") for entry in pod_of(manifests)["containers"][0]["env"]}


def test_lint_finds_nothing(helm: Path) -> None:
    assert "[WARNING]" not in output([helm, "lint", "--strict", ROOT / "charts/eventplane"])


def test_the_environment_is_what_the_operator_reads(rendered: Render) -> None:
    known = {f"EVENTPLANE_{field.upper()}" for field in OperatorSettings.model_fields}
    given = {name for name in environment_of(rendered()) if name.startswith("EVENTPLANE_")}
    assert given <= known
    # the image's own ports, and an operator of two replicas always elects
    assert known - given == {"EVENTPLANE_PROBE_PORT", "EVENTPLANE_WEBHOOK_PORT", "EVENTPLANE_LEADER_ELECTION"}


def test_the_values_default_to_what_the_operator_defaults_to() -> None:
    values = yaml.safe_load((ROOT / "charts/eventplane/values.yaml").read_text())["settings"]
    defaults = OperatorSettings.model_validate({})
    assert {name: getattr(defaults, snake_case(name)) for name in values} == values


def snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def test_ports_are_those_that_the_operator_listens_on(rendered: Render) -> None:
    defaults = OperatorSettings.model_validate({})
    ports = {port["name"]: port["containerPort"] for port in pod_of(rendered())["containers"][0]["ports"]}
    assert ports == {"probes": defaults.probe_port, "webhook": defaults.webhook_port}


def test_settings_and_environment_reach_the_process_as_written(rendered: Render) -> None:
    environment = environment_of(
        rendered("settings.resyncSeconds=1000000", 'settings.logLevel="DEBUG"', 'env={"TZ": "UTC"}')
    )
    assert environment["EVENTPLANE_RESYNC_SECONDS"] == "1000000"
    assert environment["EVENTPLANE_LOG_LEVEL"] == "DEBUG"
    assert environment["TZ"] == "UTC"
    assert environment["MALLOC_ARENA_MAX"] == "1"
    assert "MALLOC_ARENA_MAX" not in environment_of(rendered('env={"MALLOC_ARENA_MAX": null}'))


@pytest.mark.parametrize(
    ("settings", "budget"),
    [((), True), (("replicas=3",), True), (("replicas=1",), False), (("podDisruptionBudget.enabled=false",), False)],
)
def test_evictions_leave_one_of_several_replicas(rendered: Render, settings: tuple[str, ...], *, budget: bool) -> None:
    assert (("PodDisruptionBudget", "home/eventplane") in rendered(*settings)) is budget


def test_services_lead_to_ports_of_the_pod(rendered: Render) -> None:
    manifests = rendered("serviceMonitor.enabled=true")
    labels = manifests[DEPLOYMENT]["spec"]["template"]["metadata"]["labels"].items()
    names = {port["name"] for port in pod_of(manifests)["containers"][0]["ports"]}
    services = [each for (kind, _), each in manifests.items() if kind == "Service"]
    assert len(services) == 2
    for service in services:
        assert service["spec"]["selector"].items() <= labels
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    monitor = manifests["ServiceMonitor", "home/eventplane"]["spec"]
    metrics = manifests["Service", "home/eventplane-metrics"]
    assert monitor["selector"]["matchLabels"].items() <= metrics["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == metrics["spec"]["ports"][0]["name"]


@pytest.mark.parametrize(
    ("settings", "namespaces"),
    [
        ((), {"home"}),
        (('secretNamespaces=["shop", "home"]',), {"home", "shop"}),
        (('secretAccess="cluster"', 'secretNamespaces=["shop"]'), {"*"}),
    ],
)
def test_secrets_are_readable_only_where_the_values_say(
    rendered: Render, settings: tuple[str, ...], namespaces: set[str]
) -> None:
    bindings = [
        each
        for (kind, _), each in rendered(*settings).items()
        if kind.endswith("RoleBinding") and each["roleRef"]["name"] == "eventplane-secret-reader"
    ]
    assert {each["metadata"].get("namespace", "*") for each in bindings} == namespaces
    assert all(each["subjects"] == SERVICE_ACCOUNT for each in bindings)


@pytest.mark.parametrize(
    ("settings", "namespaces"),
    [
        ((), set()),
        (('applicationNamespaces=["shop", "web"]',), {"shop", "web"}),
        (('applicationAccess="cluster"', 'applicationNamespaces=["shop"]'), {"*"}),
        (('applicationNamespaces=["shop"]', 'gateways=[{"namespace": "kafka", "bus": "main"}]'), {"shop", "kafka"}),
    ],
)
def test_secrets_are_written_only_where_the_values_say(
    rendered: Render, settings: tuple[str, ...], namespaces: set[str]
) -> None:
    manifests = rendered(*settings)
    bindings = [
        each
        for (kind, _), each in manifests.items()
        if kind.endswith("RoleBinding") and each["roleRef"]["name"] == "eventplane-application"
    ]
    assert {each["metadata"].get("namespace", "*") for each in bindings} == namespaces
    assert all(each["subjects"] == SERVICE_ACCOUNT for each in bindings)
    writers = {
        name for (kind, name), each in manifests.items() if kind == "ClusterRole" and "secrets" in str(each["rules"])
    }
    assert writers == {"eventplane-application", "eventplane-gateway", "eventplane-secret-reader"}


def test_the_consumers_of_sinks_run_the_operators_own_image(rendered: Render) -> None:
    manifests = rendered('image.repository="registry/eventplane"', 'image.tag="1.2.3"')
    assert environment_of(manifests)["EVENTPLANE_RUNTIME_IMAGE"] == "registry/eventplane:1.2.3"
    assert pod_of(manifests)["containers"][0]["image"] == "registry/eventplane:1.2.3"


def test_workloads_are_kept_only_by_the_role_for_applications(rendered: Render) -> None:
    roles = {name: each["rules"] for (kind, name), each in rendered().items() if kind == "ClusterRole"}
    assert {name for name, rules in roles.items() if "deployments" in str(rules)} == {"eventplane-application"}
    assert "*" not in str(roles["eventplane-application"])


def test_gateways_are_kept_and_may_review_tokens_where_the_values_say(rendered: Render) -> None:
    buses = '{"namespace": "kafka", "bus": "main"}, {"namespace": "kafka", "bus": "second"}'
    manifests = rendered(f"gateways=[{buses}]")
    bound = {name: each for (kind, name), each in manifests.items() if kind.endswith("RoleBinding")}
    assert bound["kafka/eventplane-gateway"]["subjects"] == SERVICE_ACCOUNT
    assert bound["eventplane-token-reviewer"]["subjects"] == [
        {"kind": "ServiceAccount", "name": name, "namespace": "kafka"} for name in ("main-gateway", "second-gateway")
    ]
    assert manifests["ClusterRole", "eventplane-token-reviewer"]["rules"] == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]
    nobody = {name for kind, name in rendered() if kind.endswith("RoleBinding")}
    assert not [name for name in nobody if name.endswith(("-gateway", "-token-reviewer"))]


def test_the_webhooks_own_certificate_is_one_that_the_api_server_trusts(rendered: Render) -> None:
    manifests = rendered()
    secret = {
        key: base64.b64decode(text) for key, text in manifests["Secret", "home/eventplane-webhook"]["data"].items()
    }
    authority, certificate = (x509.load_pem_x509_certificate(secret[name]) for name in ("ca.crt", "tls.crt"))
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "eventplane-webhook.home.svc" in names.get_values_for_type(x509.DNSName)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc > dt.timedelta(days=3600)
    webhooks = manifests["ValidatingWebhookConfiguration", "eventplane"]["webhooks"]
    assert {base64.b64decode(each["clientConfig"]["caBundle"]) for each in webhooks} == {secret["ca.crt"]}


def test_the_webhook_is_never_in_the_way(rendered: Render) -> None:
    webhooks = rendered()["ValidatingWebhookConfiguration", "eventplane"]["webhooks"]
    for each in webhooks:
        assert (each["failurePolicy"], each["timeoutSeconds"], each["sideEffects"]) == ("Ignore", 3, "None")
        assert each["rules"][0]["operations"] == ["CREATE", "UPDATE"]


def test_the_webhook_calls_the_handlers_that_there_are(rendered: Render) -> None:
    registry = kopf.OperatorRegistry()

    async def admit(_schema: Schema, _before: Schema | None) -> None:
        return None

    register_admission(registry, Store(), admit)
    handlers = {
        f"/{each.id}": [each.selector.any_name]
        for each in registry._webhooks.get_all_handlers()  # noqa: SLF001 - kopf has no other way to ask
        if each.selector
    }
    webhooks = rendered()["ValidatingWebhookConfiguration", "eventplane"]["webhooks"]
    called = {each["clientConfig"]["service"]["path"]: each["rules"][0]["resources"] for each in webhooks}
    assert called == handlers


@pytest.mark.parametrize(
    ("option", "secret"),
    [("certificate by cert-manager", "eventplane-webhook"), ("certificate in a Secret", "ours")],
)
def test_a_certificate_made_elsewhere_is_mounted_and_none_is_made(rendered: Render, option: str, secret: str) -> None:
    manifests = rendered(*OPTIONS[option])
    assert not [kind for kind, _ in manifests if kind == "Secret"]
    mounted = [volume["secret"]["secretName"] for volume in pod_of(manifests)["volumes"] if "secret" in volume]
    assert mounted == [secret]
    directory = environment_of(manifests)["EVENTPLANE_WEBHOOK_CERTIFICATE_DIR"]
    assert directory in {mount["mountPath"] for mount in pod_of(manifests)["containers"][0]["volumeMounts"]}


def test_cert_manager_makes_the_certificate_and_tells_the_api_server(rendered: Render) -> None:
    manifests = rendered(*OPTIONS["certificate by cert-manager"])
    certificate = manifests["Certificate", "home/eventplane-webhook"]["spec"]
    assert "eventplane-webhook.home.svc" in certificate["dnsNames"]
    assert ("Issuer", f"home/{certificate['issuerRef']['name']}") in manifests
    webhook = manifests["ValidatingWebhookConfiguration", "eventplane"]
    assert webhook["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": "home/eventplane-webhook"}
    given = rendered(*OPTIONS["certificate by an issuer"])
    assert given["Certificate", "home/eventplane-webhook"]["spec"]["issuerRef"]["name"] == "corporate"
    assert not [kind for kind, _ in given if kind == "Issuer"]


def test_people_get_topics_by_the_built_in_roles_and_buses_by_none(rendered: Render) -> None:
    roles = {name: each for (kind, name), each in rendered().items() if kind == "ClusterRole"}
    aggregated = {
        name: {label.rsplit("-", 1)[1] for label in role["metadata"]["labels"] if "aggregate-to" in label}
        for name, role in roles.items()
    }
    assert aggregated["eventplane-view"] == {"view", "edit", "admin"}
    assert aggregated["eventplane-edit"] == {"edit", "admin"}
    assert [rule["resources"] for rule in roles["eventplane-edit"]["rules"]] == [
        ["deadletterpolicies", "eventtopics", "publications", "schemas", "subscriptions"]
    ]
    assert not any(aggregated[name] for name in ("eventplane", "eventplane-secret-reader", "eventplane-bus-edit"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("replicas=-1", "replicas"),
        ("replica=2", "'replica' not allowed"),
        ('secretAccess="all"', "'namespaced', 'cluster'"),
        ('secretNamespaces=["Shop"]', "secretNamespaces"),
        ('applicationAccess="all"', "'namespaced', 'cluster'"),
        ('applicationNamespaces=["Shop"]', "applicationNamespaces"),
        ('gateways=[{"namespace": "kafka"}]', "bus"),
        ("settings.resyncSeconds=0", "resyncSeconds"),
        ('settings.resyncSeconds="2m"', "got string, want integer"),
        ('webhook.certificate="existingSecret"', "existingSecret"),
        ("serviceAccount.create=false", "serviceAccount.name is needed"),
    ],
)
def test_a_mistake_in_the_values_is_refused(rendered: Render, setting: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        rendered(setting)


def test_names_follow_the_release_and_its_overrides(rendered: Render) -> None:
    names = {name for _, name in rendered('fullnameOverride="events"')}
    assert "home/events" in names
    assert not [name for name in names if "eventplane" in name]


def test_the_schema_knows_every_value() -> None:
    chart = ROOT / "charts/eventplane"
    values = yaml.safe_load((chart / "values.yaml").read_text())
    properties = json.loads((chart / "values.schema.json").read_text())["properties"]
    assert set(properties) - {"global"} == set(values)
