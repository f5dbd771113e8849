"""The core of every consumer: from a record to the end of its event, with order, retries, dead letters and draining.

Carries out what `events` decides, over the seams of `transports`. Knows no process, no Kubernetes, no metrics library.
"""
