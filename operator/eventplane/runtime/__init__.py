"""The consumer process behind a Subscription's sink: reads, filters, transforms, delivers, retries, sets aside.

Carries out what `events` decides, over `transports`. Knows no Kubernetes: it is told by a file what to do.
"""
