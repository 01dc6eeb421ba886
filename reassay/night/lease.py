"""One night at a time per database: a lease with a heartbeat.

Decides who holds the right and when a silent holder has lost it. Holds on SQLite and on
PostgreSQL, because taking it is one guarded statement.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, update

from db.columns import utc_now
from db.errors import NightRunning
from db.models import Lease

HEARTBEAT_S = 10.0
EXPIRES_AFTER = timedelta(seconds=90)


@contextmanager
def hold_lease(engine: Engine, name: str) -> Iterator[None]:
    """Hold the named lease while the block runs, with a heartbeat from a thread.

    Raises:
        NightRunning: someone else holds it and was alive within the last 90 seconds.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    take_lease(engine, name, holder, utc_now())
    stop = threading.Event()
    beat = threading.Thread(target=_keep_alive, args=(engine, name, holder, stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        with Session(engine) as session:
            session.exec(delete(Lease).where(col(Lease.name) == name, col(Lease.holder) == holder))
            session.commit()


def take_lease(engine: Engine, name: str, holder: str, now: datetime) -> None:
    """Take a free or expired lease.

    Raises:
        NightRunning: it is held.
    """
    with Session(engine) as session:
        current = session.get(Lease, name)
        if current is None:
            session.add(Lease(name=name, holder=holder, acquired_at=now, heartbeat_at=now))
            try:
                session.commit()
                return
            except IntegrityError:
                session.rollback()
                current = session.get(Lease, name)
        if current is not None and not _is_lost(current, now):
            raise NightRunning(
                f"another {name} is running ({_describe(current.holder)}, last sign of life "
                f"{current.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC): wait for it, or stop it"
            )
        if current is not None and not _take_over(session, current, holder, now):
            raise NightRunning(f"another {name} has just started: wait for it, or stop it")


def _take_over(session: Session, lost: Lease, holder: str, now: datetime) -> bool:
    """Replace a lost holder, unless another process was faster."""
    result = session.exec(
        update(Lease)
        .where(col(Lease.name) == lost.name, col(Lease.holder) == lost.holder)
        .where(col(Lease.heartbeat_at) == lost.heartbeat_at)
        .values(holder=holder, acquired_at=now, heartbeat_at=now)
    )
    session.commit()
    return bool(result.rowcount)


def _is_lost(lease: Lease, now: datetime) -> bool:
    """Whether the holder is silent for too long, or was a process here that is gone."""
    return now - lease.heartbeat_at > EXPIRES_AFTER or _is_dead_here(lease.holder)


def _is_dead_here(holder: str) -> bool:
    host, pid, *_ = holder.rsplit(":", 2)
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _describe(holder: str) -> str:
    host, pid, *_ = holder.rsplit(":", 2)
    return f"process {pid} on {host}"


def _keep_alive(engine: Engine, name: str, holder: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        with Session(engine) as session:
            session.exec(
                update(Lease)
                .where(col(Lease.name) == name, col(Lease.holder) == holder)
                .values(heartbeat_at=utc_now())
            )
            session.commit()
