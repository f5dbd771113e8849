"""Eventplane: custom resources become event infrastructure, and the truth comes back as status."""
