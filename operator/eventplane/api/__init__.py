"""What users ask for: custom resources as pydantic models, their conditions, and the CRDs made from them.

Pure: no IO, no clock, no client library. A module here is one kind or one idea shared by kinds.
"""

GROUP = "events.sindhan.ai"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/deletion"
PAUSED_ANNOTATION = f"{GROUP}/paused"
APPROVE_ANNOTATION = f"{GROUP}/approve"
DEFAULT_BUS_ANNOTATION = f"{GROUP}/is-default-bus"
