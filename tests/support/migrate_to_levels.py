"""The program of levels.py, for the folder of a project: it sets up that project's Django.

``plan`` prints the whole history, ``build`` reads the levels from standard input.
"""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any


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
    before = executor._create_project_state(with_applied_migrations=True)  # type: ignore[attr-defined]
    emit_pre_migrate_signal(0, False, "default", apps=before.apps, plan=plan)
    after = executor.migrate(targets, plan=plan, state=before.clone())
    after.clear_delayed_apps_cache()
    emit_post_migrate_signal(0, False, "default", apps=after.apps, plan=plan)


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
