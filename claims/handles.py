"""New handles and slugs for claims: never one that another claim has."""

from itertools import count

from sqlalchemy import Integer, cast
from sqlmodel import Session, col, func, select

from claims.slugs import MAX_LENGTH, make_slug
from db.models import Claim


def next_handle(session: Session) -> str:
    """The handle after the highest that is in use."""
    number = cast(func.substr(col(Claim.handle), 2), Integer)
    return f"c{(session.exec(select(func.max(number))).one() or 0) + 1}"


def free_slug(session: Session, title: str) -> str:
    """The title's slug, with a number behind it where another claim has it."""
    slug = make_slug(title) or "claim"
    for number in count(1):
        tail = "" if number == 1 else f"-{number}"
        wanted = slug[: MAX_LENGTH - len(tail)].rstrip("-") + tail
        if session.exec(select(Claim.id).where(Claim.slug == wanted)).first() is None:
            break
    return wanted
