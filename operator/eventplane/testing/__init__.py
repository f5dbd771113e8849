"""For applications' own unit tests: a broker in memory that publishers and subscribers take in place of Kafka.

It does what the contract suite proves Kafka to do as well, starts no server, and loses all with the test.
"""

from eventplane.testing.memory_broker import MemoryBroker

__all__ = ["MemoryBroker"]
