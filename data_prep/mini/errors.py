"""The one exception of the mini corpus."""

__all__ = ["MiniError"]


class MiniError(RuntimeError):
    """The build cannot go on; says what was found, where, and what to do."""
