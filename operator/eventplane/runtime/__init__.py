"""The consumer process behind a Subscription's sink: reads, filters, transforms, delivers, retries, sets aside.

The core of `delivery` as a process: its settings, probes, metrics. Knows no Kubernetes; a file tells it what to do.
"""
