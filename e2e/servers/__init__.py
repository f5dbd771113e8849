"""Real messaging servers for the cluster, contract tests, bench and demo.

`Kafka` is a private cluster that dies with its owner; `start`, `load` and `stop` handle the
servers that a cluster shares and that outlive the command which started them.
"""

from e2e.servers.configuration import Credentials
from e2e.servers.failure import ServerError
from e2e.servers.kafka import Kafka
from e2e.servers.shared import Servers, load, start, stop

__all__ = ["Credentials", "Kafka", "ServerError", "Servers", "load", "start", "stop"]
