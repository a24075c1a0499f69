"""The program of levels.py, for the folder of a project: it sets up that project's Django.

``plan`` prints the whole history, ``build`` reads the levels from standard input.
What Django renders for one schema is kept for the next one that comes to the same place of its history:
rendering takes most of the time, and the schemas' levels differ by a migration or two.
"""

import json
import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class _Kept:
    """States along one order of operations, each as Django has it for the operation that comes next."""

    def __init__(self, state: Any) -> None:
        self.state = state  # after the last of them; only this one is rendered further
        self.steps: list[tuple[Any, Any]] = []  # an operation and the state before it

    def fits(self, operations: list[Any]) -> bool:
        """Whether these begin as those that were done, or the other way round."""
        return all(step[0] is operation for step, operation in zip(self.steps, operations, strict=False))


class _Walk:
    """One schema on its way along them."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self._done = 0

    @property
    def state(self) -> Any:
        """Where it is now."""
        steps = self._kept.steps
        return steps[self._done][1] if self._done < len(steps) else self._kept.state

    def step(self, app: str, operation: Any) -> tuple[Any, Any]:
        """The states before and after an operation."""
        if not _changes_state(operation):
            return self.state.clone(), self.state
        before = self.state
        if self._done == len(self._kept.steps):
            before = self._kept.state.clone()
            self._kept.steps.append((operation, before))
            operation.state_forwards(app, self._kept.state)
        self._done += 1
        return before, self.state


_kept: dict[frozenset[Any], list[_Kept]] = {}  # by what was applied before


def _print_plan() -> None:
    from django.db.migrations.loader import MigrationLoader

    graph = MigrationLoader(None).graph
    plan = [key for leaf in graph.leaf_nodes() for key in graph.forwards_plan(leaf)]
    json.dump(list(dict.fromkeys(plan)), sys.stdout)


def _build(levels: list[dict[str, Any]]) -> None:
    for number, one in enumerate(levels):
        level = SimpleNamespace(**one)
        if level.schema != "public":
            _add_tenant(level)
        if level.begun:
            _shift_content_types(level.schema, 100 * number)
        if level.targets or level.others:
            _migrate(level)
        if not level.begun and (level.targets or level.others):
            _shift_content_types(level.schema, 100 * number)
        if level.sql:
            _sql(level.sql)


def _add_tenant(level: Any) -> None:
    values = {"schema_name": level.schema, "name": level.schema, "created_at": "2026-01-01T00:00:00Z"}
    if level.type:
        values["type"] = level.type
    columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    _sql(f"INSERT INTO public.tenants_client ({columns}) VALUES ({marks})", *values.values())
    _sql(level.begun or f'CREATE SCHEMA "{level.schema}"')


def _migrate(level: Any) -> None:
    """What the migrate command does, but for any number of targets at once."""
    from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    connection.close()  # a session of its own for each schema, as django-tenants has it
    _enter(level)
    executor = MigrationExecutor(connection)
    targets = _targets(level, executor.loader.graph.leaf_nodes())
    plan = executor.migration_plan(targets)
    walk = _Walk(_kept_for(executor, {migration for migration, _ in plan}))
    for migration, _ in plan:
        migration.apply = partial(_apply, walk, migration)  # type: ignore[method-assign]  # of this one
    _forget_content_types(walk.state)
    emit_pre_migrate_signal(0, False, "default", apps=walk.state.apps, plan=plan)
    executor.migrate(targets, plan=plan, state=walk.state)
    after = walk.state.clone()
    after.clear_delayed_apps_cache()
    _forget_content_types(after)
    emit_post_migrate_signal(0, False, "default", apps=after.apps, plan=plan)


def _kept_for(executor: Any, pending: set[Any]) -> _Kept:
    """The states for these migrations of a schema, in the order in which Django applies them."""
    whole = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
    coming = [one for migration, _ in whole if migration in pending for one in migration.operations]
    operations = [one for one in coming if _changes_state(one)]
    several = _kept.setdefault(frozenset(executor.loader.applied_migrations), [])
    found = next((one for one in several if one.fits(operations)), None)
    if not found:
        found = _Kept(executor._create_project_state(with_applied_migrations=True))
        several.append(found)
    return found


def _changes_state(operation: Any) -> bool:
    """Also false of what Django puts into a migration for one schema, as renamed content types are."""
    from django.db.migrations import RunPython

    return not isinstance(operation, RunPython)


def _apply(walk: _Walk, migration: Any, _: Any, schema_editor: Any) -> Any:
    """What Migration.apply does, with states that are kept; none of the projects here overrides it."""
    from django.db.transaction import atomic

    for operation in migration.operations:
        before, after = walk.step(migration.app_label, operation)
        _forget_content_types(before)
        alone = operation.atomic or (migration.atomic and operation.atomic is not False)
        whole = alone and not schema_editor.atomic_migration
        with atomic(schema_editor.connection.alias) if whole else nullcontext():
            operation.database_forwards(migration.app_label, schema_editor, before, after)
    return walk.state


def _forget_content_types(state: Any) -> None:
    """Those of another schema have other ids."""
    if "apps" in vars(state) and ("contenttypes", "contenttype") in state.models:
        state.apps.get_model("contenttypes", "ContentType").objects.clear_cache()


def _targets(level: Any, leaves: list[tuple[str, str]]) -> list[tuple[str, str]]:
    named = [(app, name) for app, name in level.targets]
    apps = {app for app, _ in named}
    return [*named, *(leaf for leaf in leaves if level.others and leaf[0] not in apps)]


def _enter(level: Any) -> None:
    """As django-tenants does, so that the shared schema's records are not taken for this one's."""
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    tenants: Any = connection
    tenants.set_schema(level.schema, tenant_type=level.type, include_public=False)
    MigrationRecorder(connection).ensure_schema()
    tenants.set_schema(level.schema, tenant_type=level.type)
    ContentType.objects.clear_cache()


def _shift_content_types(schema: str, by: int) -> None:
    """Later content types get other ids in every schema, as they have in databases of some age."""
    table = f'"{schema}".django_content_type'
    _sql(
        f"SELECT setval(pg_get_serial_sequence(%s, 'id'), {1000 + by}) WHERE to_regclass(%s) IS NOT NULL",
        table,
        table,
    )


def _sql(statement: str, *values: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def _main(command: str) -> None:
    sys.path[0] = str(Path.cwd())
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    if command == "plan":
        _print_plan()
    else:
        _build(json.load(sys.stdin))


if __name__ == "__main__":
    _main(sys.argv[1])
