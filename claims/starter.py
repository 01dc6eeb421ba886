"""The starter library: one line of inquiry, in our own words, for a first night.

It ships as package data and is imported like any other document.
"""

from importlib.resources import files

from sqlmodel import Session

from claims.documents import normalise_text
from claims.importing import ImportedDocument, import_text

SOURCE = "starter library"


def import_starter(session: Session) -> ImportedDocument:
    """Import the starter library; again changes nothing."""
    text = files("claims").joinpath("starter.txt").read_text(encoding="utf-8")
    return import_text(session, normalise_text(text), SOURCE)
