"""What the gateway is told by its environment, and the files that it finds there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventplane.api.gateway_config import GatewayConfig
from eventplane.client.configuration import BrokerConfig, config_from_environment
from eventplane.client.errors import ConfigurationError
from eventplane.transports.process_settings import SettingsError, number, read_config, whole_number

_CONFIG: Final = "/etc/eventplane/gateway.json"
_GRANTS: Final = "/etc/eventplane/grants/grants.json"
_RESERVED: Final = "system"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Settings of the process."""

    config: GatewayConfig
    broker: BrokerConfig
    grants: Path
    host: str
    port: int
    probe_port: int
    linger_seconds: float
    """For how long new requests are taken after SIGTERM, until nobody sends any more."""
    drain_seconds: float
    """For how long those under way may take then."""
    log_level: str


def read_settings(environment: Mapping[str, str]) -> GatewaySettings:
    """Read everything there is to read.

    Raises:
        SettingsError: naming the file and the field.
    """
    try:
        broker = config_from_environment(environment)
    except ConfigurationError as error:
        raise SettingsError(str(error)) from error
    return GatewaySettings(
        config=_config(Path(environment.get("EVENTPLANE_GATEWAY_CONFIG", _CONFIG))),
        broker=broker,
        grants=Path(environment.get("EVENTPLANE_GATEWAY_GRANTS", _GRANTS)),
        host=environment.get("EVENTPLANE_GATEWAY_HOST", "0.0.0.0"),  # noqa: S104 - all addresses of the pod
        port=whole_number(environment, "EVENTPLANE_GATEWAY_PORT", 8443),
        probe_port=whole_number(environment, "EVENTPLANE_PROBE_PORT", 8080),
        linger_seconds=number(environment, "EVENTPLANE_LINGER_SECONDS", 5),
        drain_seconds=number(environment, "EVENTPLANE_DRAIN_SECONDS", 20),
        log_level=environment.get("EVENTPLANE_LOG_LEVEL", "INFO"),
    )


def _config(path: Path) -> GatewayConfig:
    config = read_config(path, GatewayConfig)
    names = [each.name for each in config.oidc]
    if _RESERVED in names or len(set(names)) < len(names):
        raise SettingsError(f"{path}: oidc: names of issuers differ, and none is {_RESERVED}")
    if len({each.issuer for each in config.oidc}) < len(names):
        raise SettingsError(f"{path}: oidc: an issuer has one name")
    if config.token_reviews is None and not config.oidc:
        raise SettingsError(f"{path}: tokenReviews, oidc: name at least one, else nobody is let in")
    return config
