"""Names that vulture would take for unused since only a framework, a test or the generator uses them; never run."""
# ruff: noqa: B018 - naming them is the point

from typing import Any

used: Any = ...

# pydantic and pydantic-settings
used.model_config
used.model_post_init
# kopf's and the Kubernetes client's settings and hooks
used.build
used.client_session_kwargs
used.connection_pool_maxsize
used.diffbase_storage
used.chunk_size
used.disabled
used.enabled
used.essence
used.fetch
used.idle_timeout
used.server_timeout
used.standalone
# uvicorn's hooks
used.capture_signals
used.should_exit
# logging's and prometheus_client's hooks
used.collect
used.format
# signatures of protocols
used.by_alias
used.cls
# reasons made from their text
used.AWAITING_APPROVAL
used.OUT_OF_SYNC
# the generator
used.KINDS
used.crd
# what tests do to the doubles
used.annotate
used.annotate_secret
used.commit
used.delete_records
used.drop_password
used.edit_secret
used.fail_next
used.leave
used.logs_in
used.put
used.put_config_map
used.put_secret
used.raw
used.secret_annotations
used.MemoryGaugeBackend
used.MemoryPrincipalBackend
used.show
# transports without servers, used by tests and by applications' tests
used.MemoryExchange
used.MemorySource
used.MemoryWriter
used.MemorySink
used.append
used.refused
used.refuses
used.records
used.waiting
# what the SDK is for: applications call it
used.data_schema
used.with_data
used.from_environment
used.publish_at
used.publish_batch
used.register_handler
used.create_topic
used.published
used.dead_letters
# what the event store is for: applications call it
used.passed_over
used.append_event
used.raise_event
used.stream_all
used.register_migrations
used.prepare_database
# methods of dicts and lists that data of events do not have
used.popitem
used.reverse
used.sort
# for who writes to a transaction all the time
used.serve
# aiohttp's hook
used.resolve
# what users read in status
used.issued_at
used.oldest_age
used.retires_at
used.used_by
# ANTLR's error listener
used.syntaxError
used.reportAmbiguity
used.reportAttemptingFullContext
used.reportContextSensitivity
# fields of protobuf's descriptors
used.allow_alias
used.default_value
used.json_name
used.label
used.oneof_index
used.packed
# schemes of kafka-python's sockets
used.SCHEMES
# what applications extend
used.PostgresProjection
used.SqliteProjection
# what urllib asks whether to follow
used.redirect_request
