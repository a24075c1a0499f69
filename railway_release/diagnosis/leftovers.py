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
    there = sorted(locations.tables_of(context.connection, shared) & wanted)
    if not there:
        return
    rows = {name: locations.schemas_with_rows(context.reader, name, [shared]) for name in there}
    filled = [name for name, (filled, _) in rows.items() if filled]
    unread = [name for name, (_, unreadable) in rows.items() if unreadable]
    seen = f"{some(there)} in {shared}"
    seen += f"; with rows: {some(filled)}" if filled else ""
    seen += f"; not readable: {some(unread)}" if unread else ""
    seen += "" if filled or unread else "; all of them empty"
    command = commands.drop_leftovers(shared, there, (filled or unread or [""])[0])
    yield cause("shared.leftover", seen, command, [shared], "warning" if filled or unread else "info")
