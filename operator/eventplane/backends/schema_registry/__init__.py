"""A schema registry as a SchemaBackend, by the part of Confluent's API that Apicurio, Karapace and Redpanda share."""

from eventplane.backends.schema_registry.backend import SchemaRegistryBackend

__all__ = ["SchemaRegistryBackend"]
