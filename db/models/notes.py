"""Notes, and what ties them to lines and findings; the rest of a document."""

from datetime import date

from sqlmodel import Field, SQLModel


class Note(SQLModel, table=True):
    """A synthesis note, or a topic hub that a line lists among its notes."""

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    title: str
    kind: str = "note"  # note | hub
    summary: str  # the fullest text of the note that was imported
    claim_title: str | None = None  # the declarative claim, where a page states it
    topic: str | None = None
    note_date: date | None = None


class LineNote(SQLModel, table=True):
    """A line lists a note, at a position, and cites it some number of times."""

    __tablename__ = "line_note"
    line_id: int = Field(foreign_key="line.id", primary_key=True, ondelete="CASCADE")
    note_id: int = Field(foreign_key="note.id", primary_key=True)
    position: int
    cited: int = 0


class FindingNote(SQLModel, table=True):
    """A finding leans on a note, by likeness of words or by a person's word."""

    __tablename__ = "finding_note"
    finding_id: int = Field(foreign_key="finding.id", primary_key=True, ondelete="CASCADE")
    note_id: int = Field(foreign_key="note.id", primary_key=True, index=True)
    likeness: float
    tied_by: str = "likeness"  # likeness | a person


class Task(SQLModel, table=True):
    """One numbered task of a line's research prompt."""

    id: int | None = Field(default=None, primary_key=True)
    line_id: int = Field(foreign_key="line.id", index=True, ondelete="CASCADE")
    number: int
    title: str
    text: str


class Mention(SQLModel, table=True):
    """An arXiv id in prose: noted, never an anchor."""

    id: int | None = Field(default=None, primary_key=True)
    arxiv_id: str = Field(index=True)
    version: int | None = None
    line_id: int | None = Field(default=None, foreign_key="line.id", ondelete="CASCADE")
    note_id: int | None = Field(default=None, foreign_key="note.id")
    raw: str
    start: int
    end: int


class ImportWarning(SQLModel, table=True):
    """What the importer could not take at face value in a line's document."""

    __tablename__ = "import_warning"
    id: int | None = Field(default=None, primary_key=True)
    line_id: int = Field(foreign_key="line.id", index=True, ondelete="CASCADE")
    position: int
    code: str
    message: str
