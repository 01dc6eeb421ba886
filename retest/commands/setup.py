"""What the re-test commands are given, and how they find what a name means."""

from collections.abc import Sequence
from typing import Protocol, cast

import typer
from sqlmodel import Session, select

from claims.commands.setup import LibrarySetup
from db.columns import stored_id
from db.errors import ClaimNotFound, ExperimentNotFound
from db.models import Claim


class RetestSetup(LibrarySetup, Protocol):
    """Where seeds run."""

    @property
    def device(self) -> str: ...

    @property
    def executor(self) -> str: ...


def retest_setup(context: typer.Context) -> RetestSetup:
    """The setup that the front door put into the command's context."""
    return cast(RetestSetup, context.obj)


def find_experiments(session: Session, names: Sequence[str]) -> list[str]:
    """The experiments that claims (or experiment names) stand for; all without a name.

    A claim's handle wins over an experiment's name.

    Raises:
        ClaimNotFound: a name is neither a claim nor an experiment.
        ExperimentNotFound: no experiment bears on the claim.
    """
    from retest.bindings import bind_experiments
    from retest.experiments import MODULES

    bind_experiments(session)
    if not names:
        return list(MODULES)
    found: list[str] = []
    for name in names:
        found += _find_one(session, name)
    return list(dict.fromkeys(found))


def _find_one(session: Session, name: str) -> list[str]:
    from claims.queries import find_claim
    from retest.bindings import experiments_of
    from retest.experiments import MODULES

    wanted = name.strip().lower()
    is_handle = session.exec(select(Claim.id).where(Claim.handle == wanted)).first() is not None
    if wanted in MODULES and not is_handle:
        return [wanted]
    try:
        claim = find_claim(session, name)
    except ClaimNotFound as error:
        raise ClaimNotFound(f"{error}; experiments are {', '.join(MODULES)}") from error
    experiments = [b.experiment for b in experiments_of(session, stored_id(claim.id))]
    if not experiments:
        raise ExperimentNotFound(
            f"no experiment bears on {claim.handle} ({claim.slug}) yet: "
            "'reassay retest list' shows which there are"
        )
    return experiments
