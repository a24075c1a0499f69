"""The releases to be measured: what is pending in every tenant of a generated project."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.generator.apps import foreign_key, label
from benchmarks.generator.history import App, Key
from benchmarks.generator.shapes import APPS

_SET_CODES = """
def set_codes(apps, schema_editor):
    for row in apps.get_model("{app}", "Alpha").objects.order_by("pk"):
        row.code = f"code {{row.pk}}"
        row.save(update_fields=["code"])

"""
_REFERENCE = 'models.CharField(max_length=50, default="")'


@dataclass(frozen=True)
class Release:
    """Migrations to come, and the statements that take them back, so that they can be measured again."""

    migrations: tuple[Key, ...] = ()
    undo: tuple[str, ...] = ()


def release(name: str, apps: Mapping[str, App]) -> Release:
    """Add the migrations of this release to the apps."""
    changes = _RELEASES[name]
    changed = [apps[label(number)] for number in range(1, len(changes) + 1)]
    undo = [statement for app, change in zip(changed, changes, strict=True) for statement in change(app)]
    forget = (f"DELETE FROM django_migrations WHERE (app, name) = {app.latest}" for app in changed)
    return Release(tuple(app.latest for app in changed), (*undo, *forget))


def _foreign_key(app: App) -> list[str]:
    field = foreign_key(f'"{label(2)}.Alpha"')
    app.migration(
        "0009_foreign_key", app.add_field("Alpha", "other", field), needs=[(label(2), "0001_initial")]
    )
    return [f"ALTER TABLE {app.label}_alpha DROP COLUMN other_id"]


def _index(app: App) -> list[str]:
    app.migration("0009_index", app.add_index("Alpha", "by_status", "status", "created"))
    return [f"DROP INDEX {app.label}_by_status"]


def _run_python(app: App) -> list[str]:
    operation = "migrations.RunPython(set_codes, migrations.RunPython.noop)"
    app.migration("0009_run_python", operation, code=_SET_CODES.format(app=app.label))
    return [f"UPDATE {app.label}_alpha SET code = ''"]


def _alter_type(app: App) -> list[str]:
    field = "models.BigIntegerField(default=0)"
    app.migration("0009_alter_type", app.alter_field("Alpha", "amount", field))
    return [f"ALTER TABLE {app.label}_alpha ALTER amount TYPE integer"]


def _create_model(app: App) -> list[str]:
    operation = app.create(
        "Omega",
        title="models.CharField(max_length=100)",
        parent=foreign_key(f'"{app.label}.Alpha"'),
        country=foreign_key(f'"{label(APPS)}.Alpha"'),
    )
    app.migration("0009_create_model", operation, needs=[(label(APPS), "0001_initial")])
    return [f"DROP TABLE {app.label}_omega", *_FORGET_CONTENT_TYPES]


def _default(app: App) -> list[str]:
    app.migration("0009_default", app.add_field("Alpha", "reference", _REFERENCE))
    return [f"ALTER TABLE {app.label}_alpha DROP COLUMN reference"]


def _unique(app: App) -> list[str]:
    operation = app.add_constraint("Alpha", "UniqueConstraint", "unique", 'fields=["name", "created"]')
    app.migration("0009_unique", operation)
    return [f"ALTER TABLE {app.label}_alpha DROP CONSTRAINT {app.label}_unique"]


def _rename(app: App) -> list[str]:
    app.migration("0009_rename", app.rename_field("Alpha", "note", "remark"))
    return [f"ALTER TABLE {app.label}_alpha RENAME remark TO note"]


def _run_sql(app: App) -> list[str]:
    operation = f"""migrations.RunSQL("UPDATE {app.label}_alpha SET rank = amount WHERE rank IS NULL")"""
    app.migration("0009_run_sql", operation)
    return [f"UPDATE {app.label}_alpha SET rank = NULL"]


def _not_null(app: App) -> list[str]:
    app.migration("0009_not_null", app.alter_field("Alpha", "rank", "models.IntegerField(default=0)"))
    return [
        f"ALTER TABLE {app.label}_alpha ALTER rank DROP NOT NULL",
        f"UPDATE {app.label}_alpha SET rank = NULL",
    ]


# Sequences too: a replay names the ids that the recorded tenant got.
_FORGET_CONTENT_TYPES = (
    "DELETE FROM auth_permission WHERE codename LIKE '%\\_omega'",
    "DELETE FROM django_content_type WHERE model = 'omega'",
    "SELECT setval('django_content_type_id_seq', max(id)) FROM django_content_type",
    "SELECT setval('auth_permission_id_seq', max(id)) FROM auth_permission",
)

Change = Callable[[App], list[str]]  # returns what undoes it

_RELEASES: dict[str, tuple[Change, ...]] = {
    "nothing": (),
    "addfield": (_default,),
    "mixed": (
        _alter_type,
        _index,
        _run_python,
        _foreign_key,
        _create_model,
        _default,
        _unique,
        _rename,
        _run_sql,
        _not_null,
    ),
}
