"""Tables in the shared schema that belong to tenants alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.apps import apps

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.naming import table_of
from railway_release.postgres import locations
from railway_release.preflight.routing import only_tenants
from railway_release.runtime.text import some


def causes(context: DiagnosisContext, known: Collection[str]) -> Iterator[Cause]:
    """One cause for all of them, but for tables that are `known` to mask others."""
    models = only_tenants(apps.get_models(include_auto_created=True))
    wanted = {table_of(one) for one in models} - set(known)
    shared = context.plan.shared.schema.name
    there = locations.used_tables(context.connection, shared, wanted)
    if not there:
        return
    used = sorted(name for name, ever in there.items() if ever)
    seen = f"{some(sorted(there))} in {shared}"
    seen += f"; with rows at some time: {some(used)}" if used else "; never used, as far as the server notes"
    command = commands.first_rows(shared, (used or sorted(there))[0])
    yield cause("shared.leftover", seen, command, [shared], "warning" if used else "info")
