"""Where a consumer looks values up: a table for each topic, a client for each service."""

from collections.abc import Callable
from functools import partial

from eventplane.api.lookups import HttpLookup as HttpLookupSpec
from eventplane.api.quantities import milliseconds
from eventplane.api.runtime_config import TableTopic
from eventplane.delivery.lookups import Lookups
from eventplane.runtime.settings import RuntimeSettings
from eventplane.transports.data_readers import DataReader
from eventplane.transports.http_client import HttpClient, HttpTarget
from eventplane.transports.http_lookup import HttpLookup
from eventplane.transports.kafka_table import KafkaTable, TableOf
from eventplane.transports.kafka_tail import LARGE, KafkaTail


def assemble_lookups(settings: RuntimeSettings, registry: DataReader | None, fail: Callable[[str], None]) -> Lookups:
    """Put together what is looked up.

    Args:
        settings: of the process.
        registry: reads what topics hold in a registry's wire format.
        fail: is told of a problem that only a new process can solve.
    """
    declared = settings.config.lookups
    tables = {each.name: _table(settings, each.name, each.topic, registry, fail) for each in declared if each.topic}
    services = {each.name: _service(settings, each.name, each.http) for each in declared if each.http}
    return Lookups(tables, services)


def _table(
    settings: RuntimeSettings, name: str, asked: TableTopic, registry: DataReader | None, fail: Callable[[str], None]
) -> KafkaTable:
    tail = partial(KafkaTail, settings.client, settings.client_id, asked.topic, bounds=LARGE)
    return KafkaTable(TableOf(name, asked.topic, asked.max_entries, registry), tail, fail)


def _service(settings: RuntimeSettings, name: str, asked: HttpLookupSpec) -> HttpLookup:
    at_once = settings.config.delivery.concurrency
    target = HttpTarget(
        url=asked.url,
        timeout_seconds=milliseconds(asked.timeout) / 1000,
        credentials=settings.lookup_credentials[name],
        connections=at_once,
        api_server=settings.api_server,
    )
    return HttpLookup(HttpClient(target), asked, at_once)
