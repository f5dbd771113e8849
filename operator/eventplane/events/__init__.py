"""What an event is and what becomes of it: expressions over events, migrations between major versions of their data.

Pure: no IO, no clock, no randomness, no client library, no logging. Knows nothing of Kubernetes' resources.
"""
