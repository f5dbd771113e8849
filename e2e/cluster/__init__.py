"""A local Kubernetes cluster with messaging servers beside it: one way up for demo, tests and bench."""

from e2e.cluster.cluster import Cluster
from e2e.cluster.commands import CommandError, HarnessError
from e2e.cluster.lifecycle import down, up

__all__ = ["Cluster", "CommandError", "HarnessError", "down", "up"]
