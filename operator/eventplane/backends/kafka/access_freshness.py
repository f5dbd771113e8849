"""Looking at users without being shown less than what was just done to them; see freshness for why."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from eventplane.backends.kafka.acls import Acls
from eventplane.backends.kafka.scram import Credentials, Passwords
from eventplane.planning.access_changes import GrantAccess, RevokeAccess, SetPassword
from eventplane.planning.access_state import SCRAM_MECHANISMS, Grant, ScramMechanism
from eventplane.planning.outcome import BackendError

V = TypeVar("V")
_WINDOW_SECONDS: Final = 5.0
"""How long after a change a broker may be behind."""
_PAUSE_SECONDS: Final = 0.005
_LONGEST_PAUSE_SECONDS: Final = 0.25
_FEW: Final = 2
"""Of how many users, as many as an application has, the ACLs are asked for one by one."""
_NO_PASSWORD: Final[Mapping[ScramMechanism, None]] = dict.fromkeys(SCRAM_MECHANISMS)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the brokers show of users."""

    credentials: Mapping[str, Credentials]
    """Passwords, by every user that has any."""
    grants: Mapping[str, frozenset[Grant]]
    """What is granted, by every user that some ACL names."""
    denied: Mapping[str, BackendError] = field(default_factory=dict)
    """Why some users cannot be looked at."""


@dataclass(slots=True)
class _Expectation:
    """What every broker will show of a user soon."""

    until: float = 0
    credentials: dict[ScramMechanism, int | None] = field(default_factory=dict)
    grants: dict[Grant, bool] = field(default_factory=dict)
    unnamed: bool = False
    """No ACL names the user."""

    def fits(self, credentials: Credentials, grants: Collection[Grant] | None) -> bool:
        if self.unnamed and grants is not None:
            return False
        return all(credentials.get(mechanism) == iterations for mechanism, iterations in self.credentials.items()) and (
            all((grant in (grants or ())) is granted for grant, granted in self.grants.items())
        )


class FreshAccess:
    """Users of a cluster as they are at least since this process changed them."""

    def __init__(self, passwords: Passwords, acls: Acls, now: Callable[[], float] = time.monotonic) -> None:
        """Expect nothing yet.

        Args:
            passwords: the cluster's passwords.
            acls: the cluster's ACLs.
            now: seconds on a clock that never goes back.
        """
        self._passwords = passwords
        self._acls = acls
        self._now = now
        self._expected: dict[str, _Expectation] = {}

    def password_set(self, change: SetPassword) -> None:
        """Expect a user's new password to show."""
        self._expect(change.user).credentials[change.mechanism] = change.iterations

    def granted(self, change: GrantAccess) -> None:
        """Expect what was granted to show."""
        if change.grants:
            expected = self._expect(change.user)
            expected.unnamed = False
            expected.grants |= dict.fromkeys(change.grants, True)

    def revoked(self, change: RevokeAccess) -> None:
        """Expect what was revoked to show no more."""
        self._expect(change.user).grants |= dict.fromkeys(change.grants, False)

    def password_removed(self, user: str) -> None:
        """Expect no password to show."""
        self._expect(user).credentials = dict(_NO_PASSWORD)

    def removed(self, user: str) -> None:
        """Expect neither a password nor an ACL to show."""
        expected = self._expect(user)
        expected.credentials = dict(_NO_PASSWORD)
        expected.grants, expected.unnamed = {}, True

    async def look(self, users: Sequence[str]) -> Sight:
        """Look at some users.

        Raises:
            Unavailable, Rejected: see Passwords.describe and Acls.describe.
        """
        return await self._settled(await self._look(users), lambda: users)

    async def look_at_all(self, prefix: str) -> Sight:
        """Look at all users there are; those whose name begins with a prefix are as fresh as those of `look`.

        Raises:
            Unavailable, Rejected: see Passwords.describe and Acls.describe.
        """
        (credentials, denied), grants = await asyncio.gather(self._passwords.describe(None), self._acls.describe())
        return await self._settled(
            Sight(credentials, grants, denied), lambda: [user for user in self._expected if user.startswith(prefix)]
        )

    async def _look(self, users: Sequence[str]) -> Sight:
        (credentials, denied), grants = await asyncio.gather(self._passwords.describe(users), self._granted(users))
        return Sight(credentials, grants, denied)

    async def _granted(self, users: Sequence[str]) -> dict[str, frozenset[Grant]]:
        """Ask for ACLs: of one user they can be asked for, of several all come back."""
        asked: Sequence[str | None] = users if len(users) <= _FEW else [None]
        answers = await asyncio.gather(*(self._acls.describe(user) for user in asked))
        wanted = frozenset(users)
        return {user: granted for answer in answers for user, granted in answer.items() if user in wanted}

    async def _settled(self, sight: Sight, users: Callable[[], Iterable[str]]) -> Sight:
        """Look again at users that a broker does not show as we left them, until it does, for a while."""
        pause, deadline = _PAUSE_SECONDS, self._now() + _WINDOW_SECONDS
        while (behind := self._behind(users(), sight)) and self._now() < deadline:
            await asyncio.sleep(pause)
            pause = min(pause * 1.6, _LONGEST_PAUSE_SECONDS)
            again = await self._look(behind)
            sight = Sight(
                _replaced(sight.credentials, again.credentials, behind),
                _replaced(sight.grants, again.grants, behind),
                _replaced(sight.denied, again.denied, behind),
            )
        for user in behind:  # somebody else changed it: that must not slow down every later look
            self._expected.pop(user, None)
        return sight

    def _behind(self, users: Iterable[str], sight: Sight) -> list[str]:
        now = self._now()
        self._expected = {user: expected for user, expected in self._expected.items() if expected.until > now}
        return [
            user
            for user in users
            if (expected := self._expected.get(user)) is not None
            and user not in sight.denied
            and not expected.fits(sight.credentials.get(user, {}), sight.grants.get(user))
        ]

    def _expect(self, user: str) -> _Expectation:
        expected = self._expected.setdefault(user, _Expectation())
        expected.until = self._now() + _WINDOW_SECONDS
        return expected


def _replaced(before: Mapping[str, V], after: Mapping[str, V], users: Iterable[str]) -> dict[str, V]:
    old = {user: seen for user, seen in before.items() if user not in users}
    return old | dict(after)
