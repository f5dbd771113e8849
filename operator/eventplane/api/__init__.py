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
ROTATE_ANNOTATION = f"{GROUP}/rotate"
"""On a resource, any text: another one asks for other credentials. On its Secret: the text that its password was
issued under."""
ISSUED_AT_ANNOTATION = f"{GROUP}/issued-at"
"""On a Secret: when its password was issued, RFC 3339."""
REGISTRY_LOGIN_ANNOTATION = f"{GROUP}/registry-login-at"
"""On a Secret: since when it has its credentials for the schema registry, RFC 3339; its pods are told the same."""
REPLACED_USER_ANNOTATION = f"{GROUP}/replaced-user"
"""On a Secret: the user that it named before."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "eventplane"
"""What that label says of all that is ours, and by what name server-side apply knows us."""
SUBSCRIPTION_LABEL = f"{GROUP}/subscription"
"""On what was made for a Subscription: its name, see planning.dead_letters.name_label."""
ROLE_LABEL = f"{GROUP}/role"
"""On an EventTopic that was made for a Subscription: dead-letter or retry."""
DELAY_LABEL = f"{GROUP}/delay"
"""On the EventTopic of a retry topic: for how long events wait in it, as a duration."""
