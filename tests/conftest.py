"""Fixtures of the whole suite: an empty library on each of the two real databases."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlmodel import Session

from db.engine import open_database, open_session

IN_CI = bool(os.environ.get("CI"))


def pytest_configure(config: pytest.Config) -> None:
    for name in [key for key in os.environ if key.startswith("REASSAY_")]:
        if name != "REASSAY_TEST_DATA":
            del os.environ[name]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # The same examples in every run; a busy machine is no failure.
    hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("suite")


def skip_unless_ci(reason: str) -> None:
    """Skip a check whose tool is missing; in CI a missing tool is a failure."""
    if IN_CI:
        pytest.fail(f"{reason}, and CI must run this")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data that REASSAY_TEST_DATA names."""
    folder = os.environ.get("REASSAY_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        beside = Path(__file__).parent.parent.parent / "shared" / "data"
        if IN_CI and beside.is_dir():
            pytest.fail(f"real data lie at {beside}, and REASSAY_TEST_DATA does not name them")
        pytest.skip("REASSAY_TEST_DATA is not set: real data was not tested")
    return Path(folder)


def find_postgres_tool(name: str) -> str | None:
    found = shutil.which(name)
    if found:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else None


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this test session alone, on a Unix socket."""
    pg_ctl = find_postgres_tool("pg_ctl")
    if pg_ctl is None:
        skip_unless_ci("PostgreSQL is not installed (pg_ctl not found)")
    folder = Path("/tmp") / f"reassay-pg-{os.getpid()}"
    folder.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
    initialise = [pg_ctl, "initdb", "-D", str(data), "-o", "-A trust -U postgres -E UTF8"]
    start = [pg_ctl, "-D", str(data), "-o", options, "-w", "-l", str(folder / "log"), "start"]
    for command in (initialise, start):
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd=folder)
    try:
        yield f"postgresql+psycopg://postgres@/{{name}}?host={folder}"
    finally:
        stop = [pg_ctl, "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run([*as_user, *stop], check=True, capture_output=True, cwd=folder)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'library.db'}"
    server: str = request.getfixturevalue("postgres_server")
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    admin = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server.format(name=name)


@pytest.fixture
def any_engine(database_url: str) -> Iterator[Engine]:
    """A migrated engine on each database."""
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated SQLite engine, for tests that are not about storage."""
    engine = open_database(f"sqlite:///{tmp_path / 'library.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with open_session(engine) as session:
        yield session
