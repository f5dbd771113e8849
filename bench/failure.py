"""What makes a bench fail: that something did not converge, or could not be measured. Never that it was slow."""


class BenchError(Exception):
    """The bench cannot go on; the message says why."""


class NotConverged(BenchError):  # noqa: N818 - a finding
    """What was asked for did not come about within the phase's limit."""
