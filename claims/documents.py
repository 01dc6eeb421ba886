"""What a line document says, and how a file becomes its normal form.

Decides limits and refusals (documents are data from elsewhere) and the normal form that
is hashed: the non-empty lines, stripped, since paragraph breaks carry no meaning. Knows
nothing of the grammar inside.
"""

import codecs
import hashlib
import html
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from claims.quantities import Quantity
from db.errors import DocumentRefused

MAX_BYTES = 2_000_000
MAX_NOTES = 500
MAX_BULLETS = 200
SHOWN_MB = 1_000_000
META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"' ]*([A-Za-z0-9_-]{2,20})", re.IGNORECASE)
UTF16_ZEROS = 0.5  # of the places, in Latin text
CHARSET_WITHIN = 2048  # bytes from the start, as browsers look
ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")


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
    has_own_slug: bool = False  # a link gave it; otherwise it is made of the title


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
    next_questions: tuple[str, ...] = ()
    cited_elsewhere: tuple[str, ...] = ()  # slugs of notes that it links to and does not list

    @property
    def content_hash(self) -> str:
        """SHA-256 of the normal form: equal for equal content."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_document_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DocumentRefused: missing, a directory, or too large.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise DocumentRefused(f"{path} is a directory: name the files in it")
        check_size(size, str(path))
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DocumentRefused(f"{path} does not exist: check the name") from error
    except OSError as error:
        raise DocumentRefused(f"{path} cannot be read: {error.strerror}") from error


def check_size(size: int, name: str) -> None:
    """Refuse what is too large to be a document.

    Raises:
        DocumentRefused: more than MAX_BYTES.
    """
    if size > MAX_BYTES:
        raise DocumentRefused(
            f"{name} has {size / SHOWN_MB:.1f} MB; documents up to 2 MB are read: split it"
        )


def read_document_text(path: Path) -> str:
    """The normal form of a text file.

    Raises:
        DocumentRefused: missing, a directory, too large, empty, or not text.
    """
    return normalise_text(unescape_marks(decode_text(read_document_bytes(path), str(path))))


def decode_text(data: bytes, name: str) -> str:
    """Bytes as text: by BOM, as UTF-8, as UTF-16 without a BOM, else as Windows-1252.

    Raises:
        DocumentRefused: nothing in it, or no text.
    """
    if data.startswith(b"%PDF"):
        raise DocumentRefused(f"{name} is a PDF: save the page as text and import that")
    if not data.strip():
        raise DocumentRefused(f"{name} is empty")
    for encoding in _guess_encodings(data):
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if not has_control_characters(text):
            return text
    raise DocumentRefused(f"{name} is not text (binary data): import text, HTML or Markdown files")


def _guess_encodings(data: bytes) -> list[str]:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return ["utf-32"]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    declared = META_CHARSET.search(data[:CHARSET_WITHIN])
    named = [declared[1].decode("ascii")] if declared else []
    return [*_guess_utf16(data[:CHARSET_WITHIN]), "utf-8-sig", *named, "cp1252"]


def _guess_utf16(data: bytes) -> list[str]:
    """UTF-16 without a BOM shows in zero bytes at every other place."""
    pairs = max(1, len(data) // 2)
    if data[1::2].count(0) > UTF16_ZEROS * pairs and not data[::2].count(0):
        return ["utf-16-le"]
    if data[::2].count(0) > UTF16_ZEROS * pairs and not data[1::2].count(0):
        return ["utf-16-be"]
    return []


def unescape_marks(text: str) -> str:
    """The text with HTML entities such as ``&amp;`` and ``&darr;`` as the marks they stand for."""
    plain = ENTITY.sub(lambda match: html.unescape(match[0]), text)
    return "".join(c for c in plain if not _is_control(c)) if plain != text else text


def normalise_text(text: str) -> str:
    """The normal form: NFC, plain spaces, one line a line, no empty ones."""
    plain = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\ufeff", "")
    lines = (" ".join(line.split()) for line in plain.splitlines())
    return "\n".join(line for line in lines if line)


def has_control_characters(text: str) -> bool:
    """Whether the text holds characters that no text file holds."""
    return any(_is_control(char) for char in text)


def _is_control(char: str) -> bool:
    return (ord(char) < 32 and char not in "\t\n\r\f\v") or 0xD800 <= ord(char) <= 0xDFFF
