"""Two projects that are costly to render: one with histories of its models, one with much code in migrations.

Their migrations change models that others refer to, turn by turn through the apps, as those of a project
that has grown for years.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generator.files import frame, settings

_USER = "settings.AUTH_USER_MODEL"
_NAME = "models.CharField(max_length={})"
_ID = 'models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")'

# As the fields of many libraries do it, among them those of Django that hold an image.
_FIELDS = """\
from django.db import models
from django.db.models import signals


class RememberedField(models.CharField):
    def contribute_to_class(self, cls, name, **options):
        super().contribute_to_class(cls, name, **options)
        for signal in (signals.post_init, signals.post_save):
            signal.connect(self.remember, sender=cls)

    def remember(self, instance, **options):
        instance.__dict__[f"first_{self.name}"] = instance.__dict__.get(self.name)
"""

_CODE = """\
def fill(apps, schema_editor):
    model = apps.get_model("{app}", "{model}")
    for row in model.objects.order_by("pk"):
        row.name = f"{{row.name}} {number}"
        row.save()
    model.objects.create(name="{number}")

"""

_MIGRATION = """\
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import remembering.fields


{code}class Migration(migrations.Migration):
    dependencies = [{dependencies}]
    operations = [
        {operations},
    ]
"""


@dataclass(frozen=True)
class Costly:
    """What a project consists of: how many apps, models in each, and later migrations in each."""

    name: str
    apps: int
    models: int
    changes: int
    histories: bool  # each model has one, by django-simple-history
    code_every: int  # every so many later migrations are a RunPython
    sql_instead: bool = False  # they are a RunSQL without SQL instead

    @property
    def migrations(self) -> int:
        """How many there are, not counting those of Django's own apps."""
        return self.apps * (1 + self.changes)

    @property
    def tables(self) -> int:
        """How many there are, not counting those of Django's own apps."""
        return self.apps * self.models * (2 if self.histories else 1)


HISTORIES = Costly("histories", apps=9, models=4, changes=11, histories=True, code_every=4)
CODE = Costly("code", apps=15, models=5, changes=9, histories=False, code_every=2)


@dataclass(frozen=True)
class Written:
    """A project in a folder, with what it consists of."""

    folder: Path
    costly: Costly


def write(folder: Path, costly: Costly) -> Written:
    """Write the project into a new folder."""
    for path, text in _files(costly).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return Written(folder, costly)


def _files(costly: Costly) -> dict[str, str]:
    labels = [_label(number) for number in range(costly.apps)]
    files = frame(settings(tenant=labels, shared=["simple_history", "remembering"], users=True))
    files |= {"remembering/__init__.py": "", "remembering/fields.py": _FIELDS}
    for number, label in enumerate(labels):
        files[f"{label}/__init__.py"] = files[f"{label}/migrations/__init__.py"] = ""
        files[f"{label}/models.py"] = _models(costly, number)
        for place in range(costly.changes + 1):
            files[f"{label}/migrations/{_name(place)}.py"] = _migration(costly, number, place)
    return files


def _label(app: int) -> str:
    return f"part{app + 1:02}"


def _name(place: int) -> str:
    return f"{place + 1:04}_{'change' if place else 'initial'}"


def _fields(costly: Costly, app: int, model: int, place: int) -> dict[str, str]:
    """The fields of a model after so many of its app's migrations."""
    first = f"{_label(app)}.Model1" if model else f"{_label(app - 1)}.Model1" if app else ""
    later = (one for one in range(1, place + 1) if not _runs_code(costly, one))
    changes = [one for one in later if _changed(costly, one) == model]
    fields = {"name": _NAME.format(100 + 10 * len(changes)), "state": _REMEMBERED}
    fields |= {"first": _foreign_key(f'"{first}"')} if first else {}
    fields["author"] = _foreign_key(_USER)
    return fields | {f"more{one}": "models.IntegerField(default=0)" for one in changes}


_REMEMBERED = 'remembering.fields.RememberedField(default="new", max_length=10)'


def _foreign_key(to: str) -> str:
    deleting = "on_delete=django.db.models.deletion.CASCADE"
    return f'models.ForeignKey(null=True, {deleting}, related_name="+", to={to})'


def _changed(costly: Costly, place: int) -> int:
    """The model that a later migration of each app changes, or for which it runs code."""
    return place % costly.models


def _runs_code(costly: Costly, place: int) -> bool:
    return place % costly.code_every == 0


def _migration(costly: Costly, app: int, place: int) -> str:
    label, code = _label(app), ""
    if place == 0:
        operations = [one for model in range(costly.models) for one in _created(costly, app, model)]
        needs = [(_label(app - 1), _name(0))] if app else []
    elif _runs_code(costly, place):
        code = _CODE.format(app=label, model=f"Model{_changed(costly, place) + 1}", number=place)
        python = "migrations.RunPython(fill, migrations.RunPython.noop)"
        operations = ["migrations.RunSQL(migrations.RunSQL.noop)" if costly.sql_instead else python]
        needs = [(label, _name(place - 1))]
    else:
        operations = list(_changes(costly, app, place))
        # Once all models are there, so that others refer to those that change.
        needs = [(label, _name(place - 1)), (_label(costly.apps - 1), _name(0))]
    return _MIGRATION.format(
        code=f"{code}\n" if code else "",
        dependencies=", ".join([_USERS, *(str(key) for key in dict.fromkeys(needs))]),
        operations=",\n        ".join(operations),
    )


_USERS = "migrations.swappable_dependency(settings.AUTH_USER_MODEL)"


def _created(costly: Costly, app: int, model: int) -> Iterator[str]:
    name, fields = f"Model{model + 1}", _fields(costly, app, model, 0)
    yield _create(name, {"id": _ID, **fields})
    if costly.histories:
        yield _create(f"Historical{name}", _of_history(fields), _OF_HISTORY.format(name.lower()))


def _changes(costly: Costly, app: int, place: int) -> Iterator[str]:
    model = _changed(costly, place)
    before, after = (_fields(costly, app, model, one) for one in (place - 1, place))
    for name in (f"Model{model + 1}", f"HistoricalModel{model + 1}")[: 1 + costly.histories]:
        for field, source in after.items():
            if field not in before:
                yield f'migrations.AddField("{name}", "{field}", {source})'
            elif source != before[field]:
                yield f'migrations.AlterField("{name}", "{field}", {source})'


def _create(name: str, fields: dict[str, str], more: str = "") -> str:
    pairs = ", ".join(f'("{field}", {source})' for field, source in fields.items())
    return f'migrations.CreateModel("{name}", fields=[{pairs}]{more})'


def _of_history(fields: dict[str, str]) -> dict[str, str]:
    """The fields that django-simple-history gives to the model of a history."""
    unrelated = {name: source for name, source in fields.items() if "ForeignKey" not in source}
    related = {name: _pointer(source) for name, source in fields.items() if "ForeignKey" in source}
    id = 'models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")'
    return {"id": id, **unrelated, **_HISTORY, **related, "history_user": _HISTORY_USER}


def _pointer(source: str) -> str:
    to = source[source.index("to=") :]
    deleting = "on_delete=django.db.models.deletion.DO_NOTHING"
    return f'models.ForeignKey(blank=True, db_constraint=False, null=True, {deleting}, related_name="+", {to}'


_HISTORY = {
    "history_id": "models.AutoField(primary_key=True, serialize=False)",
    "history_date": "models.DateTimeField(db_index=True)",
    "history_change_reason": "models.CharField(max_length=100, null=True)",
    "history_type": (
        'models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)'
    ),
}
_HISTORY_USER = (
    "models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+',"
    f" to={_USER})"
)
_OF_HISTORY = (
    ', options={{"verbose_name": "historical {0}", "verbose_name_plural": "historical {0}s",'
    ' "ordering": ("-history_date", "-history_id"), "get_latest_by": ("history_date", "history_id")}},'
    " bases=(simple_history.models.HistoricalChanges, models.Model)"
)


def _models(costly: Costly, app: int) -> str:
    lines = [
        "import django.db.models.deletion",
        "from django.conf import settings",
        "from django.db import models",
        "from simple_history.models import HistoricalRecords",
        "",
        "import remembering.fields",
    ]
    for model in range(costly.models):
        lines += ["", "", f"class Model{model + 1}(models.Model):"]
        fields = _fields(costly, app, model, costly.changes)
        lines += [f"    {name} = {source}" for name, source in fields.items()]
        lines += ["    history = HistoricalRecords()"] if costly.histories else []
    return "\n".join(lines) + "\n"
