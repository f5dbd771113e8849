"""What a consumer process is told by its environment, and the files that it finds there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eventplane.api.lookups import HttpLookup
from eventplane.api.runtime_config import RuntimeConfig
from eventplane.api.sink import HttpSink
from eventplane.events.refusals import refusals
from eventplane.transports.binding import Binding, BindingError, binding_root, own_credentials, read_binding
from eventplane.transports.http_credentials import HttpCredentials, read_credentials
from eventplane.transports.mounted import MountedError
from eventplane.transports.process_settings import SettingsError, read_config, whole_number

_CONFIG: Final = "/etc/eventplane/runtime.json"


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Settings of the process."""

    config: RuntimeConfig
    client: Mapping[str, Any]
    """Settings of librdkafka, from the Secret, and the credentials of who comes with some."""
    registry: Mapping[str, str]
    """Settings of Confluent's client of a registry, from the same Secret; empty: the bus has no registry."""
    credentials: Mapping[str, HttpCredentials]
    """What a service is shown, by the names of routes, as with a configuration's destinations."""
    lookup_credentials: Mapping[str, HttpCredentials]
    """What a service is shown that is asked, by the names of look-ups."""
    api_server: str | None
    """Of the cluster in whose pod this runs, where the kubelet has put it; None: it runs in none."""
    instance_id: str | None
    """Of a static member of the group; only for pods whose names stay."""
    client_id: str
    port: int
    leave_seconds: float
    log_level: str


def read_settings(environment: Mapping[str, str]) -> RuntimeSettings:
    """Read everything there is to read.

    Raises:
        SettingsError: naming the file and the field.
    """
    config = _config(Path(environment.get("EVENTPLANE_RUNTIME_CONFIG", _CONFIG)))
    bindings = binding_root(environment)
    binding, own = _binding(bindings)
    return RuntimeSettings(
        config=config,
        client={**binding.client, **own},
        registry=binding.schema_registry or {},
        credentials=_of_services({route: each.http for route, each in config.destinations.items()}, bindings),
        lookup_credentials=_of_services({each.name: each.http for each in config.lookups}, bindings),
        api_server=environment.get("KUBERNETES_SERVICE_HOST") or None,
        instance_id=environment.get("EVENTPLANE_INSTANCE_ID") or None,
        client_id=environment.get("HOSTNAME", "eventplane-runtime"),
        port=whole_number(environment, "EVENTPLANE_PROBE_PORT", 8080),
        leave_seconds=whole_number(environment, "EVENTPLANE_LEAVE_SECONDS", 20),
        log_level=environment.get("EVENTPLANE_LOG_LEVEL", "INFO"),
    )


def _config(path: Path) -> RuntimeConfig:
    config = read_config(path, RuntimeConfig)
    found = refusals(config)
    if found:
        raise SettingsError(f"{path}: {'; '.join(found)}")
    return config


def _binding(bindings: Path) -> tuple[Binding, Mapping[str, str]]:
    try:
        return read_binding(bindings / "kafka"), own_credentials(bindings)
    except BindingError as error:
        raise SettingsError(str(error)) from error


def _of_services(
    services: Mapping[str, HttpSink | None] | Mapping[str, HttpLookup | None], bindings: Path
) -> Mapping[str, HttpCredentials]:
    try:
        return {name: read_credentials(each, bindings, name) for name, each in services.items() if each is not None}
    except MountedError as error:
        raise SettingsError(str(error)) from error
