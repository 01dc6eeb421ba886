"""``reassay doctor``: is this installation able to do its work, and what is stale?"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, func, select

from claims.commands.output import JsonOption, print_json
from claims.commands.setup import open_library
from db.columns import utc_now
from db.errors import ReassayError
from db.models import Claim, HarvestWindow, Line, Paper
from reassay.settings import Settings

OUR_NAMES = ("claims", "db", "ingest", "reassay", "reports", "retest")
OUR_DISTRIBUTION = "reassay"
CONNECT_TIMEOUT_S = 5.0
SNAPSHOT_PAPERS_TRIED = 3
SET_SNAPSHOT = "set REASSAY_SNAPSHOT to take papers from a file"
OLDEST_PLAUSIBLE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's answer."""

    check: str
    state: Literal["ok", "note", "bad"]
    message: str


class DoctorFound(ReassayError):
    """Something is bad; the lines above say what."""


def doctor(
    ctx: typer.Context,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask whether arXiv answers.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check database, clock, watermark, arXiv, judge, device and package names.

    Exit code 1 when something is bad; a note is worth knowing and costs nothing.

    Example: reassay doctor
    """
    settings: Settings = ctx.obj
    findings = [
        *_check_library(ctx, settings),
        _check_clock(),
        _check_names(),
        _check_device(),
        _check_judge(settings),
        *_check_snapshot(settings),
    ]
    if not offline:
        findings.append(_check_arxiv(settings))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.state:<5} {finding.check:<14} {finding.message}")
    bad = [finding.check for finding in findings if finding.state == "bad"]
    if bad:
        raise DoctorFound(f"not well: {', '.join(bad)}; the lines above say what to do")


def _check_library(ctx: typer.Context, settings: Settings) -> Iterator[Finding]:
    with open_library(ctx) as session:
        yield Finding("database", "ok", _describe_database(session, settings))
        yield _check_integrity(session)
        yield _describe_watermark(session)


def _describe_database(session: Session, settings: Settings) -> str:
    counts = (
        _count(session.exec(select(func.count()).select_from(table)).one(), name)
        for table, name in ((Line, "line"), (Claim, "claim"), (Paper, "paper"))
    )
    where = settings.database_url.rsplit("@", 1)[-1]
    return f"{where}: {', '.join(counts)}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _check_integrity(session: Session) -> Finding:
    from sqlalchemy import text

    from db.engine import is_sqlite

    if not is_sqlite(session.connection()):
        return Finding("integrity", "ok", "left to PostgreSQL")
    try:
        answer = str(session.connection().execute(text("PRAGMA quick_check(1)")).scalar())
    except SQLAlchemyError as error:
        answer = str(error.__cause__ or error)
    if answer != "ok":
        return Finding("integrity", "bad", f"{answer}: restore a copy, or import again elsewhere")
    return Finding("integrity", "ok", "SQLite finds its file sound")


def _describe_watermark(session: Session) -> Finding:
    from ingest.accounting import find_watermark

    bind = session.get_bind()
    through = find_watermark(bind.engine)
    if through is not None:
        return Finding("watermark", "ok", f"arXiv asked in full through {through}")
    snapshot = session.exec(
        select(func.max(HarvestWindow.until)).where(
            HarvestWindow.source == "snapshot", col(HarvestWindow.is_complete).is_(True)
        )
    ).one()
    if snapshot is None:
        return Finding("watermark", "note", "no papers harvested yet: 'reassay night run' does")
    return Finding("watermark", "ok", f"papers through {snapshot} (snapshot)")


def _check_clock() -> Finding:
    now = utc_now()
    if now < OLDEST_PLAUSIBLE:
        return Finding("clock", "bad", f"it says {now:%F %R} UTC: set it, verdicts are dated by it")
    return Finding("clock", "ok", f"{now:%F %R} UTC")


def _check_names() -> Finding:
    """Other distributions that own a top-level name of ours would overwrite it silently."""
    owners = metadata.packages_distributions()
    others = {
        name: sorted(set(owners.get(name, [])) - {OUR_DISTRIBUTION})
        for name in (*OUR_NAMES, "tests")
    }
    clashes = [f"{name} ({', '.join(who)})" for name, who in others.items() if who]
    if clashes:
        return Finding(
            "package names", "bad", f"{'; '.join(clashes)}: install reassay in its own environment"
        )
    return Finding("package names", "ok", "no other distribution owns a package of ours")


def _check_device() -> Finding:
    import torch

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    return Finding("device", "ok", f"torch {torch.__version__}, {cuda}")


def _check_judge(settings: Settings) -> Finding:
    from ingest.commands.judging_setup import load_set_judge

    def describe() -> str:
        judge = load_set_judge(settings)
        return f"{judge.name}: {judge.quality}"

    return _try("judge", describe)


def _check_snapshot(settings: Settings) -> Iterator[Finding]:
    """Whether the file that papers are to come from is one; its first papers are read."""
    file = settings.snapshot
    if file is None:
        return
    from itertools import islice

    from ingest.sources.records import Question
    from ingest.sources.snapshot import SnapshotSource

    def read_first() -> str:
        records = SnapshotSource(file).answer(Question("snapshot", query=str(file)))
        found = sum(1 for _ in islice(records, SNAPSHOT_PAPERS_TRIED))
        return f"{file} holds arXiv metadata ({found} papers tried)"

    yield _try("snapshot", read_first)


def _check_arxiv(settings: Settings) -> Finding:
    """Whether arXiv's hosts that are to be asked take connections; no request is spent."""
    import socket

    urls = [settings.arxiv_api_url]
    urls += [settings.arxiv_oai_url] if settings.arxiv_source == "oai" else []
    hosts = []
    for address in map(urlsplit, urls):
        host, port = address.hostname, address.port or (443 if address.scheme == "https" else 80)
        try:
            with socket.create_connection((host or "", port), CONNECT_TIMEOUT_S):
                hosts.append(str(host))
        except OSError as error:
            instead = "papers come from the snapshot" if settings.snapshot else SET_SNAPSHOT
            why = f"{host} does not answer ({error}); {instead}"
            return Finding("arXiv", "note", why)
    verb = "takes" if len(hosts) == 1 else "take"
    return Finding("arXiv", "ok", f"{' and '.join(hosts)} {verb} connections")


def _try(check: str, describe: Callable[[], str]) -> Finding:
    try:
        return Finding(check, "ok", describe())
    except ReassayError as error:
        return Finding(check, "bad", str(error))
