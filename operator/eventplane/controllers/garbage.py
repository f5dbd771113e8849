"""When cycles of garbage are looked for: the interpreter stands still meanwhile, so what has come to stay is spared.

| what | when | stands still for, with 10,000 EventTopics |
|---|---|---|
| what is new | after 20,000 allocations that stay, and now and then | up to 50 ms |
| all | after an hour, as soon as there is nothing to do | half a second |

Nearly everything is freed without any of this, by counting references; what is spared, too.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import Final

_ALLOCATIONS: Final = 20_000
"""That outlive their frame between two looks; CPython's own choice is 700."""
_NEVER: Final = 1_000_000_000
_SECONDS: Final = 30.0
_LOOKS: Final = 120
"""At what is new, before all is looked at once more."""


def spare_what_is_loaded() -> None:
    """Look no more at what is there by now, nor at everything merely because there is much."""
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, _NEVER)


async def look_for_garbage(is_idle: Callable[[], bool], seconds: float = _SECONDS, looks: int = _LOOKS) -> None:
    """Look now and then, and spare what is found to stay, until cancelled.

    Args:
        is_idle: tells whether there is nothing to do.
        seconds: between two looks.
        looks: at what is new, before one at all.
    """
    number = 0
    while True:
        await asyncio.sleep(seconds)
        number += 1
        if number >= looks and is_idle():
            number = 0
            gc.unfreeze()
            gc.collect()
        else:
            gc.collect(1)
        gc.freeze()
