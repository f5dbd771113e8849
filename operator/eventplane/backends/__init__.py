"""How systems are observed and changed: the control plane's IO, one adapter per system, each behind the same seam.

An adapter decides nothing. It translates: questions and changes into the system's protocol in batches, and the
system's answers into observed state, `Unavailable` or `Rejected`. Foreign exceptions end here.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from eventplane.planning.outcome import Change, Outcome

K = TypeVar("K")
S_co = TypeVar("S_co", covariant=True)
C = TypeVar("C", bound=Change)


class Backend(Protocol[K, S_co, C]):
    """A system that can be observed and changed in batches.

    Contract, proved for every implementation by one suite (tests/contract):

    * `observe` never writes and answers every key it was asked for, once.
    * `apply` answers one outcome per change, in the order of the changes. Changes that concern one thing are applied
      in the order given; when one of them fails, the later ones of that thing are not attempted and end with the
      same error. Things do not disturb each other: a failure of one leaves the others' outcomes alone.
    * `apply` is harmless twice: a change whose effect is already there ends well.
    * Both raise `Unavailable` when the system as a whole does not answer. A part that failed is an outcome's error.
    * After `apply` has returned, `observe` shows what was applied.
    """

    async def observe(self, keys: Collection[K]) -> Mapping[K, S_co]:
        """Look at things by key.

        Raises:
            Unavailable: the system did not answer.
            Rejected: the system refused to be asked (credentials, rights).
        """
        ...

    async def apply(self, changes: Sequence[C]) -> Sequence[Outcome[C, S_co]]:
        """Make changes.

        Raises:
            Unavailable: the system did not answer before anything was known of any change.
        """
        ...
