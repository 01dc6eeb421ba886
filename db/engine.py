"""Opens the database and keeps its schema current.

Decides pragmas, when migrations run, and how a database that cannot be used is named.
Knows nothing of what the tables hold. Alembic is imported only when a migration is due,
so that a query command does not pay for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, inspect, make_url, text
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError
from sqlmodel import Session, create_engine

from db.errors import DatabaseUnusable, HomeUnwritable
from db.models import load_all_tables

HEAD_REVISION = "0003"
BUSY_TIMEOUT_S = 30


def open_database(url: str) -> Engine:
    """An engine on a database whose schema is current; created on first use.

    Raises:
        HomeUnwritable: the SQLite file's directory cannot be created or written.
        DatabaseUnusable: the database is damaged, foreign, newer than this code, or does
            not answer.
    """
    engine = _create_engine(url)
    try:
        with engine.connect() as connection:
            revision = _read_revision(connection)
        if revision != HEAD_REVISION:
            _migrate(engine, revision)
    except SQLAlchemyError as error:
        engine.dispose()
        raise DatabaseUnusable(_explain(url, error)) from error
    return engine


@contextmanager
def open_session(engine: Engine) -> Iterator[Session]:
    """A session that leaves objects readable after commit."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@event.listens_for(Session, "before_flush")
def _know_all_tables(*_: object) -> None:
    """A write needs the tables that its foreign keys name; a query does not pay for them."""
    load_all_tables()


def is_sqlite(connection: Connection | Engine) -> bool:
    """Whether this is SQLite; otherwise it is PostgreSQL."""
    return connection.dialect.name == "sqlite"


def _create_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except SQLAlchemyError as error:
        raise DatabaseUnusable(
            f"database URL {url!r} is not understood: use sqlite:///FILE or "
            "postgresql+psycopg://USER@HOST/NAME"
        ) from error
    if backend == "postgresql":
        return create_engine(parsed, pool_pre_ping=True)
    if backend != "sqlite":
        raise DatabaseUnusable(f"{backend} is not supported: use SQLite or postgresql+psycopg")
    if parsed.database:
        _prepare_directory(Path(parsed.database).parent)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _prepare_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnwritable(
            f"cannot create {directory}: {error.strerror}; set REASSAY_HOME to a writable directory"
        ) from error


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _read_revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if is_sqlite(connection):  # one look instead of a reflection, which costs 10 ms
        found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        tables = {str(row[0]) for row in found}
    else:
        tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
    if tables:
        raise DatabaseUnusable(
            "the database holds tables that are not reassay's "
            f"({', '.join(sorted(tables)[:3])}): point REASSAY_DATABASE_URL at an empty one"
        )
    return None


def _migrate(engine: Engine, revision: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseUnusable(
            f"the database has schema {revision}, newer than this reassay: upgrade reassay"
        )
    with engine.begin() as connection:
        if is_sqlite(connection):
            connection.execute(text("BEGIN IMMEDIATE"))  # two first starts: one migrates
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(724411)"))
        if _read_revision(connection) != HEAD_REVISION:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _explain(url: str, error: SQLAlchemyError) -> str:
    place = make_url(url).render_as_string(hide_password=True)
    reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
    if isinstance(error, DatabaseError) and (
        "not a database" in reason or "malformed" in reason or "no such table" in reason
    ):
        return f"{place} is damaged ({reason}): restore a copy, or move it away and import again"
    if isinstance(error, OperationalError):
        return f"{place} cannot be opened: {reason}"
    return f"{place} cannot be used: {reason}"
