"""Option values that several commands take, read in one way."""

from datetime import date

from db.errors import UsageError


def parse_day(text: str | None, option: str) -> date | None:
    """A day as ``YYYY-MM-DD``; None stays None.

    Raises:
        UsageError: it is no day.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is no day: write YYYY-MM-DD") from error
