"""What others may do in the cluster, asked of the API server, which stores nothing of it.

https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
"""

from typing import Final

from eventplane.backends.kubernetes_objects import Request
from eventplane.planning.outcome import Rejected

SUBJECT_ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_TOKEN_REVIEWS: Final = {"group": "authentication.k8s.io", "resource": "tokenreviews", "verb": "create"}


async def may_review_tokens(request: Request, namespace: str, service_account: str) -> bool | None:
    """Tell whether a ServiceAccount may have tokens reviewed; None where the operator may not ask.

    Args:
        request: sends a request to the API server.
        namespace: of the ServiceAccount.
        service_account: its name.

    Raises:
        Unavailable: no answer.
    """
    spec = {
        "user": f"system:serviceaccount:{namespace}:{service_account}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
        "resourceAttributes": _TOKEN_REVIEWS,
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    try:
        answer = await request("POST", SUBJECT_ACCESS_REVIEWS, review)
    except Rejected:
        return None
    return bool(answer["status"]["allowed"])
