"""Which database: from an address, from a dict with the service's keys, from a mounted binding."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from eventplane.client.errors import ConfigurationError
from eventplane.eventstore.backend import Backend
from eventplane.eventstore.sqlite import SqliteBackend
from eventplane.transports.binding import binding_root

_KEY: Final = "event_store_url"
_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")


def backend_of(given: Backend | Mapping[str, Any] | str) -> Backend:
    """Return a backend as it was given, or by its address.

    Args:
        given: a backend, `sqlite:///file`, `sqlite:////absolute/file`, `sqlite:///:memory:`, `postgresql://...`, or a
            dict that has such an address as `event_store_url` (others of its keys are for others).

    Raises:
        ConfigurationError: no address, or one of another database.
    """
    if isinstance(given, Mapping):
        if not given.get(_KEY):
            raise ConfigurationError(f"{_KEY}: say where events are, such as sqlite:///events.db")
        return _by_address(str(given[_KEY]))
    return _by_address(given) if isinstance(given, str) else given


def url_from_environment(environment: Mapping[str, str] | None = None, binding: str = "eventstore") -> str:
    """Return the address of the binding that a pod has mounted: `$SERVICE_BINDING_ROOT/<binding>`.

    Its files are those of the Service Binding Specification: `uri`, or host, port, username, password and `database`.

    Raises:
        ConfigurationError: naming the file.
    """
    folder = binding_root(os.environ if environment is None else environment) / binding
    uri = _text(folder / "uri")
    if uri is not None:
        return uri
    host = _text(folder / "host")
    if host is None:
        raise ConfigurationError(f"{folder}: it has neither uri nor host")
    user, password = (quote(_text(folder / name) or "", safe="") for name in ("username", "password"))
    return f"postgresql://{user}:{password}@{host}:{_text(folder / 'port') or 5432}/{_text(folder / 'database') or ''}"


def _by_address(url: str) -> Backend:
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return SqliteBackend(url.removeprefix(_SQLITE))
    if url.startswith(_POSTGRES):
        # here, since psycopg comes with an extra
        from eventplane.eventstore.postgres import PostgresBackend  # noqa: PLC0415

        return PostgresBackend(url)
    raise ConfigurationError(f"{_KEY}: {url.partition(':')[0]}: is neither sqlite:///file nor postgresql://...")


def _text(path: Path) -> str | None:
    return path.read_text().strip() or None if path.is_file() else None
