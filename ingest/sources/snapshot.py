"""Papers from a file of arXiv metadata: one JSON object a line, plain, gzip or xz.

Reads two layouts, line by line: arXiv's own metadata snapshot (categories as one string,
``versions`` with their dates) and a flat one (lists, ``published``, ``listed``). Decides
which lines are papers and when a file is no metadata at all. Knows nothing of the store.
"""

import gzip
import hashlib
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, cast

from claims.arxiv_ids import parse_arxiv_id
from db.errors import SnapshotRefused
from ingest.sources.author_names import split_authors
from ingest.sources.read_ahead import read_ahead
from ingest.sources.records import PaperRecord, Question, clean_text, is_printable
from ingest.sources.xz_stream import UNPACKED_BYTES, XzStream

PROBED_LINES = 20  # a file none of whose first lines is a paper is something else
LONGEST_LINE = 16 * 2**20  # bytes; the longest abstracts are a few kilobytes
FINGERPRINT_BYTES = 2**20
KEPT_FAULTS = 5
MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
BROKEN_FILE = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class FileFingerprint:
    """What tells one snapshot file from another without reading it all."""

    file: str
    size: int
    modified_ns: int
    head_sha256: str


class SnapshotSource:
    """One file of arXiv metadata; its one answer is every paper in it."""

    name = "snapshot"

    def __init__(self, file: Path) -> None:
        self.file = file
        self.bad_lines = 0
        self.first_day: date | None = None  # of listing, or of submission where unknown
        self.last_day: date | None = None
        self.newest_listed: date | None = None
        self._faults: list[str] = []

    @property
    def remarks(self) -> list[str]:
        """The lines that could not be read: how many, and what was wrong with the first."""
        if not self.bad_lines:
            return []
        lines = "1 line is" if self.bad_lines == 1 else f"{self.bad_lines} lines are"
        return [f"{self.file.name}: {lines} not arXiv metadata ({'; '.join(self._faults)})"]

    def answer(self, question: Question) -> Iterator[PaperRecord]:
        """Every paper of the file in its order; a question of any kind gets them all.

        Raises:
            SnapshotRefused: the file is missing, is no metadata, or breaks off; the last
                is raised after the papers before the break.
        """
        return read_ahead(self._read())

    def _read(self) -> Iterator[PaperRecord]:
        self.bad_lines, self._faults = 0, []
        self.first_day = self.last_day = self.newest_listed = None
        number = 0
        try:
            for number, line in enumerate(read_ahead(self.read_lines()), 1):
                record = self._read_line(number, line)
                if record is not None:
                    self._note_days(record)
                    yield record
                elif number == self.bad_lines == PROBED_LINES:
                    break
        except BROKEN_FILE as error:
            raise SnapshotRefused(
                f"{self.file} breaks off after line {number} ({error}): fetch it again; the "
                "papers before that are kept"
            ) from error
        if number == self.bad_lines:
            why = self._faults[0] if self._faults else "it is empty"
            raise SnapshotRefused(
                f"{self.file} is not arXiv metadata, one JSON object a line ({why})"
            )

    def fingerprint(self) -> FileFingerprint:
        """Size, time of change and a hash of the first mebibyte.

        Raises:
            SnapshotRefused: the file cannot be read.
        """
        with _open_raw(self.file) as raw:
            state = self.file.stat()
            head = hashlib.sha256(raw.read(FINGERPRINT_BYTES)).hexdigest()
        return FileFingerprint(str(self.file.absolute()), state.st_size, state.st_mtime_ns, head)

    def read_lines(self) -> Iterator[bytes]:
        """The lines that are not blank, unpacked."""
        with _open_raw(self.file) as raw, _unpack(self.file, raw) as stream:
            while line := stream.readline(LONGEST_LINE):
                if not line.isspace():
                    yield line

    def _read_line(self, number: int, line: bytes) -> PaperRecord | None:
        try:
            return read_record(line)
        except (ValueError, RecursionError) as error:
            self.bad_lines += 1
            if len(self._faults) < KEPT_FAULTS:
                self._faults.append(f"line {number}: {_describe(error)}")
            return None

    def _note_days(self, record: PaperRecord) -> None:
        day = record.listed or record.published
        if day is None:
            return
        if self.first_day is None or day < self.first_day:
            self.first_day = day
        if self.last_day is None or day > self.last_day:
            self.last_day = day
        if record.listed and (self.newest_listed is None or record.listed > self.newest_listed):
            self.newest_listed = record.listed


def read_record(line: bytes) -> PaperRecord:
    """One line of either layout.

    Raises:
        ValueError: the line is not JSON, or not the metadata of a paper; says what is wrong.
    """
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    stated = fields.get("id")
    found = parse_arxiv_id(stated) if isinstance(stated, str) else None
    if found is None:
        raise ValueError(f"no arXiv id in {str(stated)[:40]!r}")
    versions = fields.get("versions")
    numbers, created = _read_versions(versions) if versions else ([], [])
    return PaperRecord(
        arxiv_id=found.id,
        version=max(numbers) if numbers else _read_number(fields.get("version")) or found.version,
        title=_read_text(fields, "title"),
        abstract=_read_text(fields, "abstract"),
        authors=_read_authors(fields),
        categories=_read_categories(fields.get("categories")),
        published=created[0] if created else _read_day(fields.get("published")),
        listed=_read_day(fields.get("listed")),
        updated=created[-1]
        if created
        else _read_day(fields.get("updated") or fields.get("update_date")),
        comment=_read_optional(fields.get("comment") or fields.get("comments")),
    )


def _read_text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    text = clean_text(value) if isinstance(value, str) else ""
    if not text:
        raise ValueError(f"{fields['id']} has no {name}")
    return text


def _read_optional(value: object) -> str | None:
    return (clean_text(value) or None) if isinstance(value, str) else None


def _read_number(value: object) -> int | None:
    text = str(value).removeprefix("v")
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= 999 else None


def _read_day(value: object) -> date | None:
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None


def _read_versions(versions: object) -> tuple[list[int], list[date]]:
    """Numbers, and days of submission in ascending order, of arXiv's ``versions``."""
    stated = [v for v in versions if isinstance(v, dict)] if isinstance(versions, list) else []
    numbers = [n for n in (_read_number(v.get("version")) for v in stated) if n]
    days = [d for d in (_read_mail_day(v.get("created")) for v in stated) if d]
    return numbers, sorted(days)


def _read_mail_day(value: object) -> date | None:
    """``Mon, 2 Apr 2007 19:18:42 GMT`` as a day."""
    parts = value.split() if isinstance(value, str) else []
    if len(parts) < 4 or parts[2] not in MONTHS:
        return None
    try:
        return date(int(parts[3]), MONTHS[parts[2]], int(parts[1]))
    except ValueError:
        return None


def _read_authors(fields: dict[str, Any]) -> tuple[str, ...]:
    """A list of names, arXiv's ``authors_parsed``, or one string of names, in that order."""
    authors, parsed = fields.get("authors"), fields.get("authors_parsed")
    if isinstance(authors, list):
        names = [name for name in authors if isinstance(name, str)]
    elif isinstance(parsed, list):
        names = [_join_name(name) for name in parsed if isinstance(name, list)]
    elif isinstance(authors, str):
        names = list(split_authors(authors))
    else:
        names = []
    return _clean_names(names)


def _clean_names(names: list[str]) -> tuple[str, ...]:
    """Each name as ``clean_text`` has it, without empty ones; most lists are clean as a whole."""
    framed = f"|{'|'.join(names)}|"
    if is_printable(framed) and not any(flaw in framed for flaw in ("  ", "| ", " |", "||")):
        return tuple(names)
    return tuple(name for name in map(clean_text, names) if name)


def _join_name(parts: list[object]) -> str:
    """``[family, given, suffix]`` in reading order."""
    family, given, suffix = [*(str(part) for part in parts[:3]), "", "", ""][:3]
    return f"{given} {family} {suffix}"


def _read_categories(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(c for c in value if isinstance(c, str)) if isinstance(value, list) else ()


def _open_raw(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise SnapshotRefused(f"cannot read {file}: {error.strerror}") from error


def _unpack(file: Path, raw: IO[bytes]) -> IO[bytes]:
    magic = raw.read(6)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb"))
    if magic == b"\xfd7zXZ\x00":
        return io.BufferedReader(XzStream(raw), UNPACKED_BYTES)
    if magic.startswith(b"PK\x03\x04"):
        raise SnapshotRefused(f"{file} is a zip archive: unpack it, then load the file inside")
    return raw


def _describe(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "not JSON"
    return str(error)
