"""What is wrong with a definition, as the parsers raise it, and the limits that they set."""

from typing import Final

MAX_NESTING: Final = 64
"""Levels of types, messages or imports within each other. More is refused before any recursion could run away."""


class DefinitionFault(ValueError):  # noqa: N818 - what is wrong with the text, and the word of the messages
    """The definition is no schema of its type; the message says what is wrong and where."""
