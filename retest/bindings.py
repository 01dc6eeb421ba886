"""Which experiment bears on which claim: by note slug, else by the source's arXiv id."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from db.columns import stored_id
from db.models import Anchor, Binding, Claim, Note
from retest.experiments import MODULES, load_experiment
from retest.protocol import Protocol


def bind_experiments(session: Session) -> int:
    """Bind every experiment to the claims of this library; returns how many are new.

    What is bound stays bound; a second call changes nothing.
    """
    try:
        return _bind_new(session)
    except IntegrityError:  # another process bound the same meanwhile
        session.rollback()
        return _bind_new(session)


def _bind_new(session: Session) -> int:
    new = 0
    for name in MODULES:
        protocol = load_experiment(name).PROTOCOL
        claims, bound_by = _find_claims(session, protocol)
        for claim in claims:
            if session.get(Binding, (claim.id, name)) is None:
                session.add(
                    Binding(
                        claim_id=stored_id(claim.id),
                        experiment=name,
                        transfer=protocol.transfer,
                        bound_by=bound_by,
                    )
                )
                new += 1
    if new:
        session.commit()
    return new


def claims_of(session: Session, experiment: str) -> list[Claim]:
    """The claims that an experiment bears on, in import order."""
    query = (
        select(Claim)
        .join(Binding, col(Binding.claim_id) == Claim.id)
        .where(Binding.experiment == experiment)
        .order_by(col(Claim.id))
    )
    return list(session.exec(query).all())


def experiments_of(session: Session, claim_id: int) -> list[Binding]:
    """The experiments that bear on a claim."""
    query = select(Binding).where(Binding.claim_id == claim_id)
    return list(session.exec(query.order_by(col(Binding.experiment))).all())


def _find_claims(session: Session, protocol: Protocol) -> tuple[list[Claim], str]:
    by_slug = session.exec(
        select(Claim)
        .join(Note, col(Note.id) == Claim.note_id)
        .where(col(Note.slug).in_(protocol.note_slugs))
    ).all()
    if by_slug:
        return list(by_slug), "note slug"
    by_source = session.exec(
        select(Claim)
        .join(Anchor, col(Anchor.note_id) == Claim.note_id)
        .where(col(Anchor.arxiv_id).in_(protocol.source_ids))
        .distinct()
    ).all()
    return list(by_source), "source id"
