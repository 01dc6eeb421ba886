"""Writes to the ledger that outlast a database which is away for a moment.

Decides which failures pass by themselves: a lost or refused connection, and a database that
another process holds. What was to be written must be safe to try twice.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel import Session

from db.engine import is_sqlite, open_session

Result = TypeVar("Result")
PATIENCE_S = 120.0
PAUSE_S = 1.0


def keep_trying(
    engine: Engine, work: Callable[[Session], Result], report_progress: Callable[[str], None]
) -> Result:
    """Do ``work`` in a session of its own; again for two minutes while no database answers.

    Raises:
        OperationalError: it did not come back, or the failure is of another kind.
    """
    deadline, has_said = time.monotonic() + PATIENCE_S, False
    while True:
        try:
            with open_session(engine) as session:
                return work(session)
        except (OperationalError, InterfaceError) as error:
            if not _passes(engine, error) or time.monotonic() >= deadline:
                raise
            if not has_said:
                report_progress("the database does not answer: trying again for two minutes")
                has_said = True
            time.sleep(PAUSE_S)


def _passes(engine: Engine, error: OperationalError | InterfaceError) -> bool:
    return not is_sqlite(engine) or "locked" in str(error.orig)
