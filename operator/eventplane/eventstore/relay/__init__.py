"""From the database to topics: every event once, in the order of its aggregate, by one relay at a time.

Reads the store and writes to Kafka; appends nothing and decides nothing about events. Runs as a process of its own.
"""
