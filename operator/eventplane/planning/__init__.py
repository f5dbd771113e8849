"""What must change: desired state from specs, plans from desired and observed, conditions from outcomes.

Pure: no IO, no clock, no randomness, no client library, no logging. Everything it needs is an argument.
"""
