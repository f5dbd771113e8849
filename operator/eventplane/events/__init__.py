"""What an event is and what becomes of it: envelopes, expressions, migrations, and every decision about deliveries.

Pure: no IO, no clock, no randomness, no client library, no logging. Knows nothing of Kubernetes' resources.
"""
