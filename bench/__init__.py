"""Measurements, each beside a raw floor in the same run; only what does not converge fails, never what is slow."""
