"""How events move: out of partitions, into topics, to services. IO of the data plane, and the same in memory.

Decides nothing: what becomes of an event is decided in `events` and carried out by who uses this. Knows no Kubernetes.
"""
