"""One storage suite over both databases: schema, times, search."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import SQLModel, select

from claims.search import search_papers
from db.engine import open_database, open_session
from db.models import Lease, Night, Paper, Protocol, SeedRun, Stream, load_all_tables


def make_paper(arxiv_id: str, title: str, abstract: str, published: date | None = None) -> Paper:
    return Paper(
        arxiv_id=arxiv_id, title=title, abstract=abstract, published=published, source="snapshot"
    )


def test_migrations_build_the_schema_of_the_models(any_engine: Engine) -> None:
    def is_ours(name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and "_fts" in str(name)) and "search" not in str(name)

    load_all_tables()
    with any_engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": lambda o, n, t, *rest: is_ours(n, t)}
        )
        assert compare_metadata(context, SQLModel.metadata) == []


OLDEST = """
INSERT INTO paper (id, arxiv_id, title, abstract, authors, categories, version, is_withdrawn,
  source, first_seen_at) VALUES (1, '2501.00001', 'Kettles', 'Warm kettles.', '[]', '[]', 1,
  false, 'snapshot', '2026-11-20 06:00:00');
INSERT INTO paper_version (id, paper_id, version, text_hash, title, abstract, source, seen_at)
  VALUES (1, 1, 1, 'h', 'Kettles', 'Warm kettles.', 'snapshot', '2026-11-20 06:00:00');
UPDATE paper SET version_id = 1;
"""


def test_the_oldest_schema_is_brought_up_to_date(empty_database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path("db/migrations")))
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in OLDEST.strip().split(";"):
            if statement.strip():
                connection.execute(text(statement))
    engine.dispose()
    engine = open_database(empty_database_url)
    with open_session(engine) as session:
        paper = session.exec(select(Paper)).one()
        assert (paper.title, paper.version_id) == ("Kettles", 1)
        assert [hit.id for hit in search_papers(session, "kettles", limit=5)] == [1]
    test_migrations_build_the_schema_of_the_models(engine)
    engine.dispose()


def test_opening_twice_keeps_what_is_there(empty_database_url: str) -> None:
    with open_session(open_database(empty_database_url)) as session:
        session.add(Night(profile="smoke", budget_s=1.0))
        session.commit()
    with open_session(open_database(empty_database_url)) as session:
        assert session.exec(select(Night)).one().profile == "smoke"


def test_times_come_back_in_utc(any_engine: Engine) -> None:
    moment = datetime(2026, 11, 24, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    with open_session(any_engine) as session:
        session.add(Lease(name="night", holder="a", acquired_at=moment, heartbeat_at=moment))
        session.commit()
        session.expire_all()
        stored = session.exec(select(Lease)).one()
        assert stored.acquired_at == moment
        assert stored.acquired_at.tzinfo == UTC


def test_naive_times_are_refused(any_engine: Engine) -> None:
    naive = datetime(2026, 11, 24)  # noqa: DTZ001  (that is the point)
    with open_session(any_engine) as session:
        session.add(Lease(name="night", holder="a", acquired_at=naive, heartbeat_at=naive))
        with pytest.raises(StatementError, match="naive"):
            session.commit()


def test_a_seed_is_stored_once_per_stream(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        protocol = Protocol(hash="h", experiment="c03", version=1, record={})
        session.add(protocol)
        session.flush()
        stream = Stream(
            protocol_id=protocol.id,
            experiment="c03",
            profile="nightly",
            code_hash="c",
            environment_class="cpu",
        )
        session.add(stream)
        session.flush()
        for _ in range(2):
            session.add(SeedRun(stream_id=stream.id, seed_index=0, seed=2**62, worker="w"))
        with pytest.raises(IntegrityError):
            session.commit()


def test_search_ranks_and_marks(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        session.add(make_paper("2501.00001", "Kettles", "Warm kettles sort cards."))
        session.add(make_paper("2501.00002", "Ducks", "Ducks swim, cards do not."))
        session.commit()
        hits = search_papers(session, "kettles that sort", 5)
        assert [hit.id for hit in hits] == [1]
        assert "[" in hits[0].snippet


@pytest.mark.parametrize("query", ['"', "a OR NOT (", "NEAR(", "*", "'; DROP TABLE paper", ""])
def test_search_takes_any_text_as_data(any_engine: Engine, query: str) -> None:
    with open_session(any_engine) as session:
        session.add(make_paper("2501.00001", "Kettles", "Warm kettles sort cards."))
        session.commit()
        search_papers(session, query, 5)
        assert len(session.exec(select(Paper)).all()) == 1


def test_search_follows_a_changed_text(any_engine: Engine) -> None:
    with open_session(any_engine) as session:
        paper = make_paper("2501.00001", "Kettles", "Warm kettles sort cards.", date(2025, 1, 1))
        session.add(paper)
        session.commit()
        paper.abstract = "Cold pans do nothing."
        session.add(paper)
        session.commit()
        assert search_papers(session, "sort", 5) == []
        assert len(search_papers(session, "pans", 5, since=date(2025, 1, 1))) == 1
        assert search_papers(session, "pans", 5, since=date(2025, 1, 2)) == []
