"""Answers that are given again to a request that comes again with the same Idempotency-Key.

Its reach is one process and the last so many keys: it spares events that come twice where a client repeats a request to
the same replica, and promises nothing beyond. Consumers tell events that came twice by their source and id.

| # | the key, of this identity and topic | the request | |
|---|---|---|---|
| 1 | unknown | | it is carried out |
| 2 | known | another one | 422 |
| 3 | known, under way | the same | waits for that answer |
| 4 | known | the same | that answer |

What failed in a way that may pass (5xx, 429) is forgotten, so that trying again does try.
Source: draft-ietf-httpapi-idempotency-key-header.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from eventplane.gateway.exchange import Answer
from eventplane.gateway.problems import ProblemError

Key: TypeAlias = tuple[str, str, str]
"""Identity, topic and what the header says."""
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True)
class _Known:
    fingerprint: bytes
    until: float
    answer: "asyncio.Future[Answer]"


class Answers:
    """Answers by key, the oldest of which go when there are too many or their time is over.

    Args:
        most: keys at a time.
        seconds: for how long one is known.
        clock: seconds, forward only.
    """

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._known: OrderedDict[Key, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def once(self, key: Key, fingerprint: bytes, carry_out: Callable[[], Awaitable[Answer]]) -> Answer:
        """Carry out a request, or give the answer that it had, by the table above.

        Raises:
            ProblemError: row 2, or a key that is too long.
        """
        if len(key[2]) > _LONGEST:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"Idempotency-Key has at most {_LONGEST} characters")
        self._forget_old()
        known = self._known.get(key)
        if known is not None:
            if known.fingerprint != fingerprint:
                problem = "Idempotency-Key was used with another request"
                raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, problem)
            return await asyncio.shield(known.answer)
        return await self._carried_out(key, fingerprint, carry_out)

    async def _carried_out(self, key: Key, fingerprint: bytes, carry_out: Callable[[], Awaitable[Answer]]) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        known = self._known[key] = _Known(fingerprint, self._clock() + self._seconds, future)
        try:
            answer = await carry_out()
        except BaseException as error:
            self._forget(key, known)
            future.set_exception(error if isinstance(error, Exception) else _cut_off())
            future.exception()  # nobody may be waiting
            raise
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._forget(key, known)
        future.set_result(answer)
        return answer

    def _forget(self, key: Key, known: _Known) -> None:
        if self._known.get(key) is known:
            del self._known[key]

    def _forget_old(self) -> None:
        now = self._clock()
        while self._known:
            oldest = next(iter(self._known.values()))
            if len(self._known) < self._most and oldest.until > now:
                return
            self._known.popitem(last=False)


def _cut_off() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE, "the request with this key was cut off", retry_after_seconds=1.0
    )
