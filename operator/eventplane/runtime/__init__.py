"""The consumer process behind a Subscription's sink: reads, filters, transforms, delivers, retries, sets aside.

The core of `delivery` as a process: settings, probes, metrics, its end. Knows no Kubernetes: a file tells it what to do.
"""
