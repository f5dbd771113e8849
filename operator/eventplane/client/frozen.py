"""Data that cannot be changed in place, so that an event stays what was published; equal to plain dicts and lists."""

from typing import Any, Final, NoReturn


def _refuse(*_arguments: object, **_named: object) -> NoReturn:
    raise TypeError("an event cannot be changed: make another with event.with_data({**event.data, ...})")


class FrozenDict(dict[Any, Any]):
    """A dict that stays as it is; `dict(it)` is a copy that does not."""

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (thaw(self),)


class FrozenList(list[Any]):
    """A list that stays as it is; `list(it)` is a copy that does not."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (thaw(self),)


_AS_THEY_ARE: Final = frozenset({str, int, float, bool, type(None), FrozenDict, FrozenList})


def freeze(data: Any) -> Any:
    """Return a copy that cannot be changed in place; what is neither dict, list nor tuple stays itself."""
    kind = type(data)
    if kind in _AS_THEY_ARE:
        return data
    if isinstance(data, dict):
        return FrozenDict({name: each if type(each) in _AS_THEY_ARE else freeze(each) for name, each in data.items()})
    if isinstance(data, list | tuple):
        return FrozenList([each if type(each) in _AS_THEY_ARE else freeze(each) for each in data])
    return data


def thaw(data: Any) -> Any:
    """Return a copy of plain dicts and lists: what libraries in C take."""
    if isinstance(data, dict):
        return {name: thaw(each) for name, each in data.items()}
    if isinstance(data, list | tuple):
        return [thaw(each) for each in data]
    return data
