"""How arXiv is asked for days: one question for a span, smaller ones where that is too large.

Decides how a question is cut (in halves down to a day, then by category) and when an empty
answer is no answer. Knows neither the record of questions nor any source.
"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from db.columns import utc_now
from ingest.announcements import find_announcement_of, is_working_day
from ingest.claim_queries import CATEGORIES, RECENT_QUERY
from ingest.days import DaySpan
from ingest.sources.records import Question


def build_day_question(purpose: str, span: DaySpan) -> Question:
    """All papers of the watched categories first submitted in a span."""
    return Question(purpose, RECENT_QUERY, since=span.since, until=span.until)


def read_span(question: Question) -> DaySpan:
    """The days that a question of days is about."""
    assert question.since is not None and question.until is not None
    return DaySpan(question.since, question.until)


def split_question(question: Question) -> list[Question]:
    """Smaller questions that together ask the same; none if it cannot be cut further."""
    span = read_span(question)
    if span.since < span.until:
        middle = span.since + (span.until - span.since) // 2
        return [
            replace(question, until=middle),
            replace(question, since=middle + timedelta(1)),
        ]
    if question.query == RECENT_QUERY and len(CATEGORIES) > 1:
        return [replace(question, query=f"cat:{category}") for category in CATEGORIES]
    return []


def should_have_papers(span: DaySpan) -> bool:
    """Whether a batch with a working day's papers is out: an empty answer is then no answer."""
    now = utc_now()
    noons = (datetime.combine(day, time(12), UTC) for day in span.days if is_working_day(day))
    return any(find_announcement_of(noon).moment <= now for noon in noons)
