"""DeepFloyd's limits (Section 6.2, App. M): how a text encoder that reads both ways spreads an attribute (`reading`).

The one room that uses another's method: what fails there is LocoEdit, so it asks `editing`.
"""

from .reading import (
    BUT_LAST,
    GROUPS,
    LAST,
    another,
    attention,
    by_position,
    by_tokens,
    groups,
    looking_ahead,
)

__all__ = [
    "BUT_LAST",
    "GROUPS",
    "LAST",
    "another",
    "attention",
    "by_position",
    "by_tokens",
    "groups",
    "looking_ahead",
]
