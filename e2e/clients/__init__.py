"""Clients in other languages, with registry libraries that are not ours: what tests exchange events with."""
