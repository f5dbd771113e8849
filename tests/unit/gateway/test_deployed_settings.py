"""What the operator writes for a gateway, read by the gateway itself: its environment, its files and its binding."""

from pathlib import Path
from typing import Any, Final

from builders import CLUSTER, event_bus

from eventplane.api.gateway import Gateway
from eventplane.api.gateway_config import Grant, Grants
from eventplane.gateway.mounted import MountedGrants
from eventplane.gateway.settings import read_settings
from eventplane.planning.connection import AccessConnection, KafkaConnection, RegistryConnection
from eventplane.planning.gateway_desired import DesiredGateway, desire_gateway

GATEWAY: Final = Gateway.model_validate({"tls": {"secretRef": {"name": "certificate"}}, "eventsPerSecond": 7})
CONNECTION: Final = AccessConnection(
    KafkaConnection(("kafka:9093",), tls=True, ca_pem="CA", mechanism="SCRAM-SHA-512", username="operator"),
    RegistryConnection("http://registry:8081"),
)
CALLERS: Final = Grants(grants=(Grant(identity="system:serviceaccount:shop:web", publish=("shop.orders",)),))


def mounted(root: Path, desired: DesiredGateway) -> dict[str, str]:
    """Mount as the kubelet does, below a folder; return the environment."""
    manifests: dict[str, Any] = {each["kind"]: each for each in desired.manifests}
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    contents = {
        "config": manifests["ConfigMap"]["data"],
        "kafka": desired.access.secret_data("secret"),
    }
    places = {each["name"]: root / each["mountPath"].lstrip("/") for each in container["volumeMounts"]}
    assert places.keys() == {each["name"] for each in pod["volumes"]}
    for volume, files in contents.items():
        places[volume].mkdir(parents=True)
        for name, text in files.items():
            (places[volume] / name).write_text(text)
    given = {each["name"]: each["value"] for each in container["env"]}
    return {name: f"{root}{value}" for name, value in given.items()} | {"HOSTNAME": "main-gateway-1"}


def test_the_gateway_reads_what_the_operator_writes(tmp_path: Path) -> None:
    desired = desire_gateway(event_bus(), GATEWAY, CONNECTION, CALLERS, CLUSTER, "eventplane:1")
    assert isinstance(desired, DesiredGateway)
    settings = read_settings(mounted(tmp_path, desired))
    assert settings.config.audience == "eventplane-gateway"
    assert settings.config.limits.events_per_second == 7
    assert settings.config.certificate_dir == "/etc/eventplane-tls"
    assert settings.config.token_reviews is not None
    assert (settings.port, settings.probe_port) == (8443, 8080)
    assert settings.broker.client["sasl.username"] == desired.access.user
    assert settings.broker.client["sasl.password"] == "secret"
    assert settings.broker.schema_registry is not None
    assert settings.broker.client_id == "main-gateway-1"
    rights = MountedGrants(settings.grants).rights
    assert rights.allow("system:serviceaccount:shop:web", "publish", "shop.orders")
    assert not rights.allow("system:serviceaccount:shop:web", "subscribe", "shop.orders")
