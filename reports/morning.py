"""The morning page: did the night run, what changed, what needs a person.

Gathers one frozen context from the database; how it looks is the templates' affair.
"""

from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, func, select

from db.models import Claim, Line
from reports.attention import AttentionItem, read_items
from reports.changes import Change, read_changes
from reports.claim_states import ClaimState, read_states
from reports.gaps import OpenEnds, read_open_ends
from reports.lead import Lead, LeadFacts, write_lead
from reports.night_record import NightRecord, read_night, read_searched_through
from reports.numbers import count, format_day, name_night
from reports.outline import choose_shown, count_headlines, read_outline
from reports.page_names import name_line_page
from reports.paper_news import PaperNews, read_paper_news
from reports.sources import IdGate, name_source

SHOWN_CLAIMS = 60
SHOWN_LINES = 20
STALE_SOURCE_DAYS = 35
HOW_TO_READ = (
    "LOCAL reads small models that were trained here, at the scale printed beside it. It can "
    "show whether an effect appears, shifts or stays open in that setting.",
    "It cannot show what a large model does: it never sets a headline, it only adds LOOK, and "
    "“undecided” is not “holds”.",
)


@dataclass(frozen=True)
class LineLink:
    """A line and the name of its page, without the ending."""

    question: str
    page: str


@dataclass(frozen=True)
class MorningPage:
    """Everything that the morning page shows."""

    title: str
    night: str
    lead: Lead
    beside_lead: tuple[str, ...]
    changes: tuple[Change, ...]
    changes_rest: int
    news: tuple[PaperNews, ...]
    news_rest: int
    items: tuple[AttentionItem, ...]
    items_rest: int
    claims: tuple[ClaimState, ...]
    claims_rest: int
    headlines: tuple[tuple[str, int], ...]
    open_ends: OpenEnds
    how_to_read: tuple[str, ...]
    lines: tuple[LineLink, ...]
    lines_rest: int
    written: str


def build_morning(session: Session, night_id: int | None, today: date) -> MorningPage:
    """The context of the morning page after a night; None: no night has run."""
    gate = IdGate(session)
    record = read_night(session, night_id, gate)
    outline = read_outline(session)
    changes, changed = read_changes(session, record.night_id, gate)
    items, waiting = read_items(session, outline, gate, today)
    news, of_papers = read_paper_news(session, record.night_id)
    shown = choose_shown(outline, record.night_id, SHOWN_CLAIMS)
    claims = session.exec(select(Claim).where(col(Claim.id).in_(shown)).order_by(col(Claim.id)))
    lines, all_lines = _read_lines(session)
    return MorningPage(
        title=_name_library(lines, all_lines),
        night=describe_night(record),
        lead=lead_of(record),
        beside_lead=(*describe_search(record, today), *_say_waiting(waiting)),
        changes=tuple(changes),
        changes_rest=changed - len(changes),
        news=news,
        news_rest=of_papers - len(news),
        items=tuple(items),
        items_rest=waiting - len(items),
        claims=tuple(read_states(session, claims.all(), gate, record.night_id)),
        claims_rest=len(outline) - len(shown),
        headlines=tuple(count_headlines(outline)),
        open_ends=read_open_ends(session, record, outline, gate),
        how_to_read=HOW_TO_READ,
        lines=lines,
        lines_rest=all_lines - len(lines),
        written=format_day(today),
    )


def lead_of(record: NightRecord) -> Lead:
    """The first sentence for a night's record."""
    return write_lead(
        LeadFacts(
            has_night=record.night is not None,
            claims=record.claims,
            gaps=tuple(sentence for _, sentence in record.gaps),
            unchecked=record.unchecked,
            later=record.later,
            changed=record.changed,
            entered=record.entered,
            is_first=record.is_first,
        )
    )


def describe_night(record: NightRecord) -> str:
    """``Night of 23–24 Nov 2026 · run 0412``."""
    if record.night is None:
        return "No night yet"
    return f"Night of {name_night(record.night.started_at)} · run {record.night.id or 0:04d}"


def describe_search(record: NightRecord, today: date) -> tuple[str, ...]:
    """Where papers came from, and up to which day."""
    if record.night is None:
        return ()
    detail = record.details.get("harvest", {})
    through = read_searched_through(record)
    if through is None:
        reach = "up to which day is not recorded"
    else:
        reach = f"up to {format_day(through)}"
        days = (today - through).days
        if days > STALE_SOURCE_DAYS:
            reach += f", {count(days, 'day')} before this page was written"
    if record.is_from_snapshot:
        named = name_source(detail.get("source"))
        what = "a snapshot" if "snapshot" not in named.lower() or named == "snapshot" else named
        return (f"Papers came from {what}: it reaches {reach}; nothing newer was seen.",)
    return (f"Papers came from {name_source(detail.get('source'))}, {reach}.",)


def _say_waiting(waiting: int) -> tuple[str, ...]:
    if not waiting:
        return ()
    return (f"{count(waiting, 'item')} {'needs' if waiting == 1 else 'need'} you.",)


def _read_lines(session: Session) -> tuple[tuple[LineLink, ...], int]:
    total = session.exec(select(func.count()).select_from(Line)).one()
    rows = session.exec(
        select(Line.slug, Line.question).order_by(col(Line.id)).limit(SHOWN_LINES)
    ).all()
    return tuple(LineLink(question, name_line_page(slug)) for slug, question in rows), total


def _name_library(lines: tuple[LineLink, ...], total: int) -> str:
    if total == 1:
        return lines[0].question
    return f"The library: {count(total, 'line')}" if total else "The library is empty"
