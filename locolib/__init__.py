"""A study of where text-to-image models keep what they know (Basu et al., ICML 2024)."""

__version__ = "0.2.0"


class UserError(ValueError):
    """A mistake that a user can mend: its message is one sentence which says what to do."""


class Notice(UserWarning):
    """What a user should know and need not mend; the command line prints it as one sentence."""
