"""What a line document says, and how a file becomes its normal form.

Decides limits and refusals (documents are data from elsewhere) and the normal form that
is hashed: the non-empty lines, stripped, since paragraph breaks carry no meaning. Knows
nothing of the grammar inside.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from claims.quantities import Quantity
from db.errors import DocumentRefused

MAX_BYTES = 2_000_000
MAX_NOTES = 500
MAX_BULLETS = 200
SHOWN_MB = 1_000_000


@dataclass(frozen=True)
class DocumentWarning:
    """Something in a document that could not be taken at face value."""

    code: str
    message: str


@dataclass(frozen=True)
class NoteEntry:
    """A note as a line lists it."""

    title: str
    slug: str
    summary: str
    cited: int


@dataclass(frozen=True)
class FindingEntry:
    """One bullet: its text without marks and date, and where it stands in the normal form."""

    text: str
    raw: str
    start: int
    end: int
    found_from: str | None
    found_to: str | None
    date_raw: str | None
    numbers: tuple[Quantity, ...]
    is_compound: bool


@dataclass(frozen=True)
class AnchorEntry:
    """One anchor; ``arxiv_id`` is None when the id written there cannot exist."""

    raw: str
    label: str
    arxiv_id: str | None
    version: int | None
    month_stated: str | None
    month_from_id: str | None


@dataclass(frozen=True)
class TaskEntry:
    """One numbered task."""

    number: int
    title: str
    text: str


@dataclass(frozen=True)
class LineDocument:
    """A line of inquiry, read; whatever found no place is in ``unread``."""

    text: str
    question: str
    slug: str
    standfirst: str | None
    essay: tuple[str, ...]
    topic: str | None
    declared_notes: int | None
    span_from: str | None
    span_to: str | None
    notes: tuple[NoteEntry, ...]
    findings: tuple[FindingEntry, ...]
    anchors: tuple[AnchorEntry, ...]
    tasks: tuple[TaskEntry, ...]
    unread: tuple[str, ...]
    warnings: tuple[DocumentWarning, ...]

    @property
    def content_hash(self) -> str:
        """SHA-256 of the normal form: equal for equal content."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_document_text(path: Path) -> str:
    """The normal form of a text file.

    Raises:
        DocumentRefused: missing, a directory, too large, empty, or not text.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise DocumentRefused(f"{path} is a directory: name the files in it")
        if size > MAX_BYTES:
            raise DocumentRefused(
                f"{path} has {size / SHOWN_MB:.1f} MB; documents up to 2 MB are read: split it"
            )
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DocumentRefused(f"{path} does not exist: check the name") from error
    except OSError as error:
        raise DocumentRefused(f"{path} cannot be read: {error.strerror}") from error
    return normalise_text(decode_text(data, str(path)))


def decode_text(data: bytes, name: str) -> str:
    """Bytes as text: UTF-8 (with or without BOM), UTF-16 with BOM, else Windows-1252.

    Raises:
        DocumentRefused: nothing in it, or no text.
    """
    if data.startswith(b"%PDF"):
        raise DocumentRefused(f"{name} is a PDF: save the page as text and import that")
    if not data.strip():
        raise DocumentRefused(f"{name} is empty")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _has_control_characters(text):
            return text
    raise DocumentRefused(f"{name} is not text (binary data): import text or Markdown files")


def normalise_text(text: str) -> str:
    """The normal form: NFC, plain spaces, one line a line, no empty ones."""
    plain = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\ufeff", "")
    lines = (" ".join(line.split()) for line in plain.splitlines())
    return "\n".join(line for line in lines if line)


def _has_control_characters(text: str) -> bool:
    return any(ord(char) < 32 and char not in "\t\n\r\f\v" for char in text)
