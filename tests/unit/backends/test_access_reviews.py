"""Whether somebody may do something: what the API server is asked, in its own form, and what its answers mean."""

from collections.abc import Mapping
from typing import Any

import pytest

from eventplane.api.conditions import Reason
from eventplane.backends.access_reviews import may_review_tokens
from eventplane.planning.outcome import Rejected, Unavailable


class Asked:
    """Answers as the API server does, and keeps what it was asked."""

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self.answer = answer
        self.requests: list[tuple[str, str, Any]] = []

    async def __call__(
        self, verb: str, path: str, body: Mapping[str, Any] | None = None, *, content: str | None = None
    ) -> dict[str, Any]:
        """See Request."""
        del content
        self.requests.append((verb, path, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {**(body or {}), "status": dict(self.answer)}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({"allowed": True, "reason": "RBAC: allowed by ClusterRoleBinding"}, True, id="it may"),
        pytest.param({"allowed": False}, False, id="it may not"),
        pytest.param(Rejected(Reason.INTERNAL_ERROR, "the API server answered 403: no"), None, id="we may not ask"),
    ],
)
async def test_the_api_server_tells(answer: Any, expected: bool | None) -> None:  # noqa: FBT001 - a table
    asked = Asked(answer)
    assert await may_review_tokens(asked, "shop", "main-gateway") is expected
    ((verb, path, review),) = asked.requests
    assert (verb, path) == ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews")
    assert (review["apiVersion"], review["kind"]) == ("authorization.k8s.io/v1", "SubjectAccessReview")
    assert review["spec"] == {
        "user": "system:serviceaccount:shop:main-gateway",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
        "resourceAttributes": {"group": "authentication.k8s.io", "resource": "tokenreviews", "verb": "create"},
    }


async def test_without_an_answer_it_is_not_told() -> None:
    with pytest.raises(Unavailable, match="away"):
        await may_review_tokens(Asked(Unavailable("away")), "shop", "main-gateway")
