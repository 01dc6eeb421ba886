"""Fixtures of the whole suite: an empty library on each of the two real databases.

The schema is migrated once a session and then copied, on either database: migrating takes
longer than most tests. Commands that tests start as processes migrate for themselves.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlmodel import Session

import db.engine
from db.engine import open_database, open_session

IN_CI = bool(os.environ.get("CI"))
MEMORY_BYTES = 2 * 2**30  # a server of a session takes less
# Nothing here outlives the session: no write waits for a disk.
POSTGRES_OPTIONS = (
    "fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off", "jit=off",
    "wal_level=minimal", "max_wal_senders=0", "checkpoint_timeout=1h", "listen_addresses=''",
    "dynamic_shared_memory_type=mmap",  # in the server's folder, and gone with it
)  # fmt: skip


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


def find_quick_folder() -> Path:
    """A folder in memory where there is room for a server; else the disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES:
        return memory
    return Path("/tmp")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of this test session alone, on a Unix socket."""
    pg_ctl = find_postgres_tool("pg_ctl")
    if pg_ctl is None:
        skip_unless_ci("PostgreSQL is not installed (pg_ctl not found)")
    folder = find_quick_folder() / f"reassay-pg-{os.getpid()}"
    folder.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    options = f"-k {folder} " + " ".join(f"-c {option}" for option in POSTGRES_OPTIONS)
    initialise = [pg_ctl, "initdb", "-D", str(data), "-o", "-A trust -U postgres -E UTF8 -N"]
    start = [pg_ctl, "-D", str(data), "-o", options, "-w", "-l", str(folder / "log"), "start"]
    for command in (initialise, start):
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd=folder)
    try:
        yield f"postgresql+psycopg://postgres@/{{name}}?host={folder}"
    finally:
        stop = [pg_ctl, "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run([*as_user, *stop], check=True, capture_output=True, cwd=folder)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_admin(postgres_server: str) -> Iterator[Connection]:
    """A connection that makes and drops databases."""
    url = postgres_server.format(name="postgres")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        yield connection
    admin.dispose()


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str, postgres_admin: Connection) -> str:
    """The name of a migrated database that others are copied from."""
    postgres_admin.execute(text("CREATE DATABASE migrated"))
    open_database(postgres_server.format(name="migrated")).dispose()
    return "migrated"


@pytest.fixture
def copy_postgres(
    postgres_server: str, postgres_admin: Connection
) -> Iterator[Callable[[str], str]]:
    """Copies a database, for one test; returns the copy's URL."""
    made: list[str] = []
    is_told = (postgres_admin.dialect.server_version_info or (0,)) >= (15,)

    def copy(template: str) -> str:
        made.append(f"copy{len(made)}")
        statement = f"CREATE DATABASE {made[-1]} TEMPLATE {template}"
        # A sixth of the time that the way of new servers takes.
        postgres_admin.execute(text(statement + " STRATEGY FILE_COPY" * is_told))
        return postgres_server.format(name=made[-1])

    yield copy
    for name in made:
        postgres_admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session", autouse=True)
def migrate_sqlite_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new SQLite library begins as a copy of a migrated one; an empty file is migrated."""
    create_engine_of = db.engine._create_engine

    @cache
    def migrate() -> Path:
        template = tmp_path_factory.mktemp("migrated") / "library.db"
        template.touch()
        open_database(f"sqlite:///{template}").dispose()
        return template

    def create(url: str) -> Engine:
        engine = create_engine_of(url)
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or ".").exists():
            with suppress(OSError):  # what is wrong with the place, opening it will tell
                place_copy(migrate(), Path(engine.url.database or "."))
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("db.engine._create_engine", create)
        yield


def place_copy(template: Path, file: Path) -> None:
    """All of the file appears at once, and never in place of one that is there."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        shutil.copyfile(template, beside)
        os.link(beside, file)
    finally:
        beside.unlink(missing_ok=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a table, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        (tmp_path / "library.db").touch()
        return f"sqlite:///{tmp_path / 'library.db'}"
    copy_postgres: Callable[[str], str] = request.getfixturevalue("copy_postgres")
    return copy_postgres("template1")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty library, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'library.db'}"
    copy_postgres: Callable[[str], str] = request.getfixturevalue("copy_postgres")
    return copy_postgres(request.getfixturevalue("migrated_postgres"))


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
