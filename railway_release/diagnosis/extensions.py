"""Extensions that lie in a tenant's schema, where the other tenants do not find them."""

from __future__ import annotations

from collections.abc import Iterator

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.postgres.locations import extensions


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """A cause for each of them, if there are other tenants."""
    tenants = [one.schema.name for one in context.plan.tenants]
    shared = context.plan.shared.schema.name
    for one in extensions(context.connection, tenants) if tenants[1:] else ():
        others = [name for name in tenants if name != one.schema]
        command = commands.move_extension(one, shared)
        yield cause("extension.misplaced", f"{one.name} in {one.schema}", command, others)
