"""The statements of pending migrations, as Django would send them; nothing is sent.

They are told up to the first operation after which tables have other names, or whose models nobody knows.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import router
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from railway_release.migrations.disk import Graph, applies_itself, apply_to_state
from railway_release.migrations.operations import is_opaque, model_name
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Cohort
from railway_release.migrations.rendering import Rendering
from railway_release.topology import Schema, tenant_connection

# These may add a rule to rows that are there.
_RULES = (
    operations.AddField,
    operations.AlterField,
    operations.AddConstraint,
    operations.AlterUniqueTogether,
    operations.RunSQL,
)
# After these, tables or columns have other names than they have now.
_RENAMES = (operations.RenameModel, operations.RenameField, operations.AlterModelTable)
_CHANGES_NO_ROWS = re.compile(r"\s*(ALTER|COMMENT|CREATE|DROP|SET\s+CONSTRAINTS)\b", re.I)

_CODE = ""  # in the place of a statement: what code makes of the rows cannot be known without running it


@dataclass(frozen=True)
class Statement:
    """A statement of a migration; `after` is the migration whose code or data may change the rows before."""

    key: Key
    text: str
    after: Key | None = None


class _Unknown(Exception):
    """What comes now is about tables or columns that have other names yet."""


def statements_about_rows(graph: Graph, cohort: Cohort, schema: Schema) -> Iterator[Statement]:
    """The statements of the cohort's pending migrations about tables that there are, in their order.

    `schema` is one of the cohort's: the routers are asked for it.
    """
    state, rendering = graph.state.clone(), Rendering(graph.unmigrated_apps)
    there, after = set(graph.state.models), None
    tenant_connection().set_schema(schema.name, tenant_type=schema.type)
    tenant_connection().ensure_connection()  # the driver quotes values only on an open connection
    # An operation of a package may raise anything where it is not really run.
    with contextlib.suppress(Exception):
        for key in cohort.to_apply:
            migration = graph.graph.nodes[key]
            if applies_itself(migration):
                return
            for operation in migration.operations:
                for statement in _of(operation, key[0], state, rendering, there):
                    if statement != _CODE:
                        yield Statement(key, statement, after)
                    after = after or (key if statement == _CODE else None)


def _of(
    operation: Operation, app: str, state: ProjectState, rendering: Rendering, there: set[tuple[str, str]]
) -> Iterator[str]:
    """The statements of one operation; `state` is brought forward, and what is made anew is not `there`."""
    if isinstance(operation, operations.SeparateDatabaseAndState):
        branch = state.clone()
        for part in operation.database_operations:
            yield from _of(part, app, branch, rendering, there)
        apply_to_state(operation, app, state)
        return
    about_rows = type(operation) in _RULES and (
        not model_name(operation) or (app, model_name(operation)) in there
    )
    before = state.clone() if about_rows else state
    apply_to_state(operation, app, state)
    if about_rows:
        yield from _sent(operation, app, rendering.shared(before.models), rendering.shared(state.models))
    elif isinstance(operation, operations.CreateModel):
        there.discard((app, model_name(operation)))
    elif isinstance(operation, _RENAMES) and _allowed(operation, app):
        raise _Unknown
    elif is_opaque(operation) and _allowed(operation, app):
        yield _CODE


def _sent(operation: Operation, app: str, before: ProjectState, after: ProjectState) -> Iterable[str]:
    editor: Any = tenant_connection().schema_editor(collect_sql=True, atomic=False)
    editor.deferred_sql = []
    operation.database_forwards(app, editor, before, after)
    for statement in editor.collected_sql:
        changes_rows = not _CHANGES_NO_ROWS.match(statement)
        yield _CODE if changes_rows else statement
        if changes_rows and not isinstance(operation, operations.RunSQL):
            return  # Django changes them so that what follows is possible


def _allowed(operation: Operation, app: str) -> bool:
    """Whether the routers let it run in the schema; what they do not is recorded without running."""
    return bool(router.allow_migrate(tenant_connection().alias, app, **getattr(operation, "hints", {})))
