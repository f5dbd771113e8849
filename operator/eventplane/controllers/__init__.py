"""When to look and when to act: kopf handlers that only trigger, the work queue, and the one reconcile loop.

Nothing here decides what should happen: that is planning's. Nothing here speaks a broker's protocol: that is backends'.
"""
