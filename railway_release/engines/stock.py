"""The stock engine: each schema through django-tenants' own machinery, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django_tenants.migration_executors.base import run_migrations

from railway_release.engines.bounds import bounded_waits
from railway_release.engines.command import Command, install
from railway_release.engines.guard import OwnGuard
from railway_release.engines.turn import Turns
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import SchemaPlan
from railway_release.topology import tenant_connection


class StockEngine:
    """See engine.Engine."""

    def __init__(self, turns: Turns, guard: OwnGuard) -> None:
        self._turns = turns
        self._guard = guard

    def migrate(self, plans: Sequence[SchemaPlan], enough: Callable[[], bool]) -> Iterator[Outcome]:
        """One schema after the other, in this process."""
        with install(self._turns), bounded_waits(self._turns.terms):
            for plan in plans:
                self._guard.check()
                if enough():
                    return
                yield self._turns.take(plan, partial(self._migrate, plan))
        self._guard.check()

    def _migrate(self, plan: SchemaPlan) -> None:
        alias = self._turns.terms.alias
        with tenant_connection().execute_wrapper(self._count):
            run_migrations(
                (),
                _options(alias, plan.cohort.target),
                "release",
                plan.schema.name,
                tenant_type=plan.schema.type,
            )

    def _count(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        self._turns.hand.send(str(sql))
        return execute(sql, *rest)


def _options(alias: str, target: tuple[str, ...]) -> dict[str, Any]:
    """What `manage.py migrate` would have parsed, with the options of a custom command at their defaults."""
    words = [*target, "--noinput", "--database", alias, "--no-color", "--skip-checks"]
    parsed = Command().create_parser("manage.py", "migrate").parse_args(words)
    return dict(vars(parsed))
