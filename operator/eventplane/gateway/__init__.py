"""Events over HTTP, for whoever has no client of Kafka: the REST process.

Brings requests to `eventplane.client` and records back; knows neither kopf nor the Kubernetes client. What is decided
here is decided from values alone: who may do what in `events.grants`, how fast in `events.rates`.
"""
