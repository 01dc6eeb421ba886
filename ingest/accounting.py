"""An account of every day and watched category: asked how, papers seen, new, revised, missing.

Decides what is said of a day; reads the store and the record of questions, writes nothing.
``missing`` counts papers that a daily feed announced and the store lacks; for a day whose
latest answer broke off it is how many papers arXiv announced for those days and did not
send, which is an upper bound for the one day; None where nothing is known.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Engine, String, case, cast, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from db.engine import open_session
from db.models import HarvestDay, HarvestWindow, Paper
from ingest.announcements import find_completion, find_last_announcement, is_holiday, is_out
from ingest.claim_queries import CATEGORIES
from ingest.day_counts import DayCount, DayKey
from ingest.days import DayLedger, DaySpan, find_reach, read_ledger
from ingest.harvest_summary import name_some
from ingest.usual_counts import WEEKS, Usual, find_usual
from ingest.windows import read_asked

SHOWN_DAYS = 14
CONFIRMED_AFTER_DAYS = 3  # of further lists of changes
FEW = "fewer than usual"


@dataclass(frozen=True)
class DayAccount:
    """One day of first submission and one category."""

    day: date
    category: str
    asked: str  # complete | incomplete | open | never
    is_out: bool  # whether all its batches are announced
    seen: int  # papers in the store
    new: int  # that harvests of days brought, ever
    revised: int
    missing: int | None
    missing_ids: tuple[str, ...] = ()  # as far as a feed named them
    usual: Usual | None = None
    flag: str | None = None
    is_confirmed: bool = False  # a later whole answer brought nothing more


@dataclass(frozen=True)
class _Store:
    """What accounts are made from."""

    ledger: DayLedger
    seen: Mapping[DayKey, int]  # papers stored
    brought: Mapping[DayKey, DayCount]
    last_new: Mapping[DayKey, int]
    proved: Sequence[date]  # days that OAI-PMH's lists of changes prove complete, in order
    lacking: Mapping[DayKey, tuple[str, ...]]  # announced ids that the store has not


def find_watermark(engine: Engine) -> date | None:
    """The day of first submission up to which arXiv was asked in full, by either interface."""
    from ingest.changes import find_changes_reach

    reaches = (find_reach(read_asked(engine)), find_changes_reach(engine))
    return max((reach for reach in reaches if reach is not None), default=None)


def account_days(engine: Engine, now: datetime, days: int = SHOWN_DAYS) -> list[DayAccount]:
    """The accounts of the last days, oldest first, through the day of ``now`` (UTC)."""
    today = now.astimezone(UTC).date()
    span = DaySpan(today - timedelta(days - 1), today)
    ledger = read_ledger(read_asked(engine))
    before, proved = timedelta(weeks=WEEKS), _read_proved(engine)
    with open_session(engine) as session:
        store = _Store(
            ledger,
            count_stored(session, DaySpan(span.since - before, span.until)),
            _read_brought(session, span),
            _read_last_new(session, span),
            proved,
            _find_announced_missing(session, span),
        )
    keys = (DayKey(day, category) for day in span.days for category in CATEGORIES)
    return [_account(key, store, now) for key in keys]


def find_doubts(accounts: Iterable[DayAccount], denied: Collection[str] = frozenset()) -> list[str]:
    """A sentence for each day with papers known or feared to be missing.

    A day with fewer papers than usual is named until a later whole answer confirms it, an
    announced paper until arXiv has ``denied`` it.
    """
    by_day: dict[date, list[DayAccount]] = defaultdict(list)
    for account in accounts:
        by_day[account.day].append(account)
    return [sentence for day, rows in by_day.items() for sentence in _doubt(day, rows, denied)]


def find_denied(engine: Engine) -> set[str]:
    """The ids that arXiv, asked for them on their own, said twice that it does not know."""
    query = select(HarvestWindow).where(
        HarvestWindow.purpose == "anchors", col(HarvestWindow.is_complete).is_(True)
    )
    with open_session(engine) as session:
        denials = Counter(
            arxiv_id
            for window in session.exec(query)
            for arxiv_id in window.detail.get("missing", [])
        )
    return {arxiv_id for arxiv_id, times in denials.items() if times > 1}


def count_stored(session: Session, span: DaySpan) -> dict[DayKey, int]:
    """Papers of the store by day of first submission and watched category they carry."""
    carried = [
        func.sum(case((cast(Paper.categories, String).like(f'%"{category}"%'), 1), else_=0))
        for category in CATEGORIES
    ]
    query = (
        select_columns(col(Paper.published), *carried)
        .where(col(Paper.published) >= span.since, col(Paper.published) <= span.until)
        .group_by(col(Paper.published))
    )
    return {
        DayKey(row[0], category): int(number)
        for row in session.connection().execute(query)
        for category, number in zip(CATEGORIES, row[1:], strict=True)
    }


def _account(key: DayKey, store: _Store, now: datetime) -> DayAccount:
    asked = _describe_asked(key, store, now)
    brought = store.brought.get(key, DayCount())
    announced = store.lacking.get(key, ())
    seen, usual = store.seen.get(key, 0), _find_usual_of(key, store)
    judged = asked == "complete" and not is_holiday(key.day)
    return DayAccount(
        day=key.day,
        category=key.category,
        asked=asked,
        is_out=is_out(key.day, now),
        seen=seen,
        new=brought.new,
        revised=brought.revised,
        missing=_count_missing(key, asked, announced, store.ledger),
        missing_ids=announced,
        usual=usual,
        flag=usual.judge(seen) if usual and judged else None,
        is_confirmed=_is_confirmed(key, store),
    )


def _describe_asked(key: DayKey, store: _Store, now: datetime) -> str:
    """``complete``, ``incomplete``, ``open`` (answered before it was all out) or ``never``."""
    tries = store.ledger.tries.get(key, [])
    answered = store.ledger.answered_at.get(key)
    if _count_answers(key, store):
        return "complete"
    if tries and answered is None:
        return "incomplete"
    return "open" if tries or not is_out(key.day, now) else "never"


def _count_missing(
    key: DayKey, asked: str, announced: tuple[str, ...], ledger: DayLedger
) -> int | None:
    lacking = None
    if asked == "incomplete":
        lacking = ledger.tries[key][-1].lacking
    if announced:
        return max(len(announced), lacking or 0)
    return 0 if asked == "complete" else lacking


def _count_answers(key: DayKey, store: _Store) -> int:
    """Whole answers that were asked for when the day was out."""
    out = find_completion(key.day)
    tries = store.ledger.tries.get(key, [])
    return sum(t.is_complete and t.asked_at >= out for t in tries) + (key.day in store.proved)


def _is_confirmed(key: DayKey, store: _Store) -> bool:
    """Whether a whole answer after the first brought nothing more for the day."""
    if key.day in store.proved[:-CONFIRMED_AFTER_DAYS]:
        return True
    return _count_answers(key, store) > 1 and store.last_new.get(key) == 0


def _find_usual_of(key: DayKey, store: _Store) -> Usual | None:
    days = (key.day - timedelta(weeks=n) for n in range(WEEKS, 0, -1))
    earlier = [DayKey(day, key.category) for day in days if not is_holiday(day)]
    whole = [key for key in earlier if _count_answers(key, store)]
    return find_usual([store.seen.get(key, 0) for key in whole])


def _doubt(day: date, rows: list[DayAccount], denied: Collection[str]) -> list[str]:
    sentences = []
    few = [row for row in rows if row.flag == FEW and not row.is_confirmed and row.usual]
    if few:
        told = ", ".join(
            f"{row.category} {row.seen} (usually about {row.usual.median:.0f}, seldom below "
            f"{max(row.usual.low, 0):.0f})"
            for row in few
            if row.usual
        )
        sentences.append(f"arXiv sent fewer papers than usual of {day}: {told}")
    ids = sorted({arxiv_id for row in rows for arxiv_id in row.missing_ids}.difference(denied))
    if ids:
        sentences.append(
            f"arXiv announced {name_some(ids, 'paper')} about {day} and did not send them"
        )
    return sentences


def _read_brought(session: Session, span: DaySpan) -> dict[DayKey, DayCount]:
    query = (
        select(
            col(HarvestDay.day),
            col(HarvestDay.category),
            func.sum(HarvestDay.new),
            func.sum(HarvestDay.revised),
        )
        .where(col(HarvestDay.day) >= span.since, col(HarvestDay.day) <= span.until)
        .group_by(col(HarvestDay.day), col(HarvestDay.category))
    )
    return {
        DayKey(day, category): DayCount(0, int(new), int(revised))
        for day, category, new, revised in session.exec(query)
    }


def _read_proved(engine: Engine) -> list[date]:
    from ingest.change_days import find_changes_start
    from ingest.changes import find_changes_reach, read_changes_asked

    since = find_changes_start(read_changes_asked(engine))
    until = find_changes_reach(engine)
    return DaySpan(since, until).days if since and until and since <= until else []


def _read_last_new(session: Session, span: DaySpan) -> dict[DayKey, int]:
    """What the latest whole answer for each day brought that was new."""
    query = (
        select(col(HarvestDay.day), col(HarvestDay.category), col(HarvestDay.new))
        .join(HarvestWindow, col(HarvestWindow.id) == col(HarvestDay.window_id))
        .where(
            col(HarvestWindow.is_complete).is_(True),
            col(HarvestDay.day) >= span.since,
            col(HarvestDay.day) <= span.until,
        )
        .order_by(col(HarvestDay.window_id))
    )
    return {DayKey(day, category): new for day, category, new in session.exec(query)}


def _find_announced_missing(session: Session, span: DaySpan) -> dict[DayKey, tuple[str, ...]]:
    """Ids that daily feeds announced and the store lacks, under the last day of their batch.

    A feed names no day of submission; the batch that it shows closed on one.
    """
    announced = _read_announced(session, span)
    ids = sorted({arxiv_id for named in announced.values() for arxiv_id in named})
    stored: set[str] = set()
    for n in range(0, len(ids), 500):
        query = select(Paper.arxiv_id).where(col(Paper.arxiv_id).in_(ids[n : n + 500]))
        stored.update(session.exec(query))
    lacking = {key: tuple(sorted(named - stored)) for key, named in announced.items()}
    return {key: named for key, named in lacking.items() if named}


def _read_announced(session: Session, span: DaySpan) -> dict[DayKey, set[str]]:
    query = select(HarvestWindow).where(
        HarvestWindow.purpose == "feed",
        col(HarvestWindow.started_at) >= datetime.combine(span.since, time(0), UTC),
    )
    announced: dict[DayKey, set[str]] = defaultdict(set)
    for window in session.exec(query):
        told = window.detail.get("announced") or {}
        shown = window.started_at
        if window.since is not None:  # the feed's own day, which is shown from its midnight on
            shown = datetime.combine(window.since, time(12), UTC)
        closed = find_last_announcement(shown).submitted_until.date()
        for category, kinds in told.items():
            for kind in ("new", "cross"):
                announced[DayKey(closed, category)].update(kinds.get(kind) or [])
    return announced
