"""The DeadLetterPolicies as the watch has shown them: they have no bus, so nothing is indexed. Without IO."""

from collections.abc import Callable, Iterator, Mapping

from eventplane.api.dead_letter_policy import DeadLetterPolicy, DeadLetterPolicyStatus
from eventplane.controllers.shelf import Key, cause
from eventplane.planning.dead_letters import Policy
from eventplane.planning.plan import Refusal


class PolicyShelf(Mapping[Key, DeadLetterPolicy]):
    """The policies by namespace and name, and why some are not understood."""

    def __init__(self, moved: Callable[[DeadLetterPolicy | None, DeadLetterPolicy | None], None]) -> None:
        """Make an empty shelf.

        Args:
            moved: told what a policy was before and is now, None where it is absent.
        """
        self._moved = moved
        self._policies: dict[Key, DeadLetterPolicy] = {}
        self._invalid: dict[Key, Refusal] = {}

    def __getitem__(self, key: Key) -> DeadLetterPolicy:
        return self._policies[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def put(self, policy: DeadLetterPolicy, invalid: Refusal | None = None) -> bool:
        """Store a policy, or why it is not understood; tell whether something that decisions hang on has changed."""
        key = policy.metadata.key
        self._invalid.pop(key, None)
        if invalid is not None:
            self._invalid[key] = invalid
        before = self._policies.get(key)
        self._policies[key] = policy
        self._moved(before, policy)
        return before is None or cause(before) != cause(policy)

    def remove(self, key: Key, uid: str) -> None:
        """Forget a policy, unless another with its name has taken its place."""
        policy = self._policies.get(key)
        if policy is not None and policy.metadata.uid == uid:
            del self._policies[key]
            self._invalid.pop(key, None)
            self._moved(policy, None)

    def wrote_status(self, policy: DeadLetterPolicy, status: DeadLetterPolicyStatus, resource_version: str) -> None:
        """Remember our own write, so that a pass before its echo does not repeat it."""
        known = self._policies.get(policy.metadata.key)
        if known is not None and known.metadata.uid == policy.metadata.uid:
            metadata = known.metadata.model_copy(update={"resource_version": resource_version})
            self._policies[policy.metadata.key] = known.model_copy(update={"status": status, "metadata": metadata})

    def invalid(self, key: Key) -> Refusal | None:
        """Tell why a policy is not understood."""
        return self._invalid.get(key)

    def named(self, key: Key) -> Policy:
        """Look up a policy for who names it."""
        return self._invalid.get(key) or self._policies.get(key)
