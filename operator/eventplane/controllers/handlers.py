"""kopf's part: watch, and hand on what is seen. Nothing is stored on users' objects, nothing is returned."""

from collections.abc import Iterable
from typing import Any

import kopf

from eventplane.api import GROUP, VERSION
from eventplane.api.event_bus import EventBus
from eventplane.controllers.dispatch import Dispatcher


def register(dispatcher: Dispatcher) -> kopf.OperatorRegistry:
    """Make the handlers that feed a dispatcher.

    There are no `@kopf.index` functions: kopf holds back every object until the last one is indexed and wakes them all
    at each step, which takes minutes for some thousand objects. The store is the index.
    """
    registry = kopf.OperatorRegistry()
    _register_login(registry)
    _register_namespaces(registry, dispatcher)
    for plural in (EventBus.plural, *dispatcher.watched):
        _register_kind(registry, dispatcher, plural)
    return registry


def _register_login(registry: kopf.OperatorRegistry) -> None:
    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _register_namespaces(registry: kopf.OperatorRegistry, dispatcher: Dispatcher) -> None:
    @kopf.on.event("namespaces", registry=registry)
    async def namespace_event(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        if type == "DELETED":
            dispatcher.namespace_deleted(body)
        else:
            dispatcher.namespace_seen(body)


def _register_kind(registry: kopf.OperatorRegistry, dispatcher: Dispatcher, plural: str) -> None:
    @kopf.on.event(GROUP, VERSION, plural, registry=registry)
    async def event(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        if type == "DELETED":
            dispatcher.deleted(plural, body)
        else:
            dispatcher.seen(plural, body, listed=type is None)


def settings() -> kopf.OperatorSettings:
    """Make kopf quiet and light: no Events of its own, no essence of each object, idle workers gone at once."""
    kopf_settings = kopf.OperatorSettings()
    kopf_settings.posting.enabled = False
    kopf_settings.peering.standalone = True
    kopf_settings.scanning.disabled = True
    kopf_settings.watching.chunk_size = 500
    kopf_settings.watching.server_timeout = 600
    kopf_settings.queueing.idle_timeout = 0.5
    kopf_settings.persistence.diffbase_storage = _NoEssence()
    return kopf_settings


class _NoEssence(kopf.DiffBaseStorage):
    """kopf keeps and compares the essence of every object for handlers that we do not have."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        """Build nothing."""
        del body, extra_fields
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Find nothing."""
        del body
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing: users' objects carry no trace of kopf."""
