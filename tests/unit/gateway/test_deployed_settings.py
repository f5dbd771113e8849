"""What the operator writes for a gateway, read by the gateway itself: its environment, its files and its binding."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from builders import CLUSTER, event_bus

from eventplane.api.gateway import Gateway
from eventplane.api.gateway_config import Grant, Grants
from eventplane.gateway.mounted import mounted_rights
from eventplane.gateway.settings import read_settings
from eventplane.planning.connection import AccessConnection, KafkaConnection, RegistryConnection
from eventplane.planning.gateway_desired import DesiredGateway, GatewayCircumstances, desire_gateway
from eventplane.transports.process_settings import SettingsError

GATEWAY: Final = Gateway.model_validate(
    {
        "tls": {"secretRef": {"name": "certificate"}},
        "eventsPerSecond": 7,
        "oidc": [
            {"name": "people", "issuer": "https://login.example.com", "caSecretRef": {"name": "ca", "key": "root.pem"}},
            {"name": "machines", "issuer": "https://machines.example.com"},
        ],
    }
)
CONNECTION: Final = AccessConnection(
    KafkaConnection(("kafka:9093",), tls=True, ca_pem="CA", mechanism="SCRAM-SHA-512", username="operator"),
    RegistryConnection("http://registry:8081"),
)
CALLERS: Final = Grants(grants=(Grant(identity="system:serviceaccount:shop:web", publish=("shop.orders",)),))
SECRETS: Final = {
    "certificate": {"tls.crt": "c", "tls.key": "k"},
    "ca": {"root.pem": "-----BEGIN CERTIFICATE-----\n..."},
}


def mounted(root: Path, desired: DesiredGateway) -> dict[str, str]:
    """Mount as the kubelet does, below a folder; return the environment."""
    manifests: dict[str, Any] = {each["kind"]: each for each in desired.manifests}
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    contents = {
        "config": manifests["ConfigMap"]["data"],
        "kafka": desired.access.secret_data("secret"),
        "issuers": {
            item["path"]: SECRETS[each["secret"]["name"]][item["key"]]
            for volume in pod["volumes"]
            for each in volume.get("projected", {}).get("sources", ())
            for item in each["secret"]["items"]
        },
    }
    places = {each["name"]: root / each["mountPath"].lstrip("/") for each in container["volumeMounts"]}
    assert places.keys() == {each["name"] for each in pod["volumes"]}
    for volume, files in contents.items():
        places[volume].mkdir(parents=True)
        for name, text in files.items():
            (places[volume] / name).parent.mkdir(exist_ok=True)
            (places[volume] / name).write_text(text)
    given = {each["name"]: each["value"] for each in container["env"]}
    return {name: f"{root}{value}" for name, value in given.items()} | {"HOSTNAME": "main-gateway-1"}


def test_the_gateway_reads_what_the_operator_writes(tmp_path: Path) -> None:
    desired = desire_gateway(
        event_bus(), GATEWAY, CONNECTION, CALLERS, GatewayCircumstances(CLUSTER, "eventplane:1", SECRETS)
    )
    assert isinstance(desired, DesiredGateway)
    settings = read_settings(mounted(tmp_path, desired))
    assert settings.config.audience == "eventplane-gateway"
    assert settings.config.limits.events_per_second == 7
    assert settings.config.certificate_dir == "/etc/eventplane-tls"
    assert settings.config.token_reviews is not None
    people, machines = settings.config.oidc
    assert (people.name, people.issuer) == ("people", "https://login.example.com")
    assert (tmp_path / (people.ca_file or "").lstrip("/")).read_text() == SECRETS["ca"]["root.pem"]
    assert (machines.name, machines.ca_file) == ("machines", None)
    assert (settings.port, settings.probe_port) == (8443, 8080)
    assert settings.broker.client["sasl.username"] == desired.access.user
    assert settings.broker.client["sasl.password"] == "secret"
    assert settings.broker.schema_registry is not None
    assert settings.broker.client_id == "main-gateway-1"
    rights = mounted_rights(settings.grants).made
    assert rights.allow("system:serviceaccount:shop:web", "publish", "shop.orders")
    assert not rights.allow("system:serviceaccount:shop:web", "subscribe", "shop.orders")


@pytest.mark.parametrize(
    ("issuers", "problem"),
    [
        ((("people", "https://one"), ("people", "https://two")), "names of issuers differ"),
        ((("system", "https://one"),), "none is system"),
        ((("people", "https://one"), ("others", "https://one")), "an issuer has one name"),
    ],
)
def test_issuers_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, issuers: tuple[tuple[str, str], ...], problem: str
) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "librdkafka.json").write_text('{"bootstrap.servers": "kafka:9092"}')
    config = {"audience": "a", "oidc": [{"name": name, "issuer": issuer} for name, issuer in issuers]}
    (tmp_path / "gateway.json").write_text(json.dumps(config))
    told = {"SERVICE_BINDING_ROOT": str(tmp_path), "EVENTPLANE_GATEWAY_CONFIG": str(tmp_path / "gateway.json")}
    with pytest.raises(SettingsError, match=problem):
        read_settings(told)
