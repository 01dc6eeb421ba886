"""What every step of a night is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Engine

from db.columns import stored_id
from db.models import Night
from reassay.settings import Settings

Report = Callable[[str], None]


@dataclass(frozen=True)
class NightContext:
    """What every step is given."""

    engine: Engine
    settings: Settings
    night: Night
    today: date
    report_progress: Report

    @property
    def night_id(self) -> int:
        return stored_id(self.night.id)


@dataclass(frozen=True)
class StepResult:
    """What a step did; anything not checked makes the night incomplete."""

    detail: dict[str, Any] = field(default_factory=dict)
    not_checked: tuple[str, ...] = ()  # makes the night incomplete
    notes: tuple[str, ...] = ()  # limits that hold by choice: printed, and the night is complete
