"""Random histories of one app, as the text of its migrations; for Hypothesis.

Each operation is one that Django can do at that point, so what is drawn migrates; what is compared is whether
everybody does it the same way.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

APP = "random_app"

_MODELS = ("Ant", "Bee", "Cat", "Dog", "Elk", "Fox")
_FIELDS = ("alpha", "beta", "gamma", "delta", "kappa", "omega")

# Each kind of column, and what it may become while there are rows.
_KINDS = {
    "models.CharField(max_length=20, default='50%')": ("text", "char"),
    "models.CharField(max_length=40, default='', db_index=True)": ("text", "char"),
    "models.CharField(max_length=60, null=True)": ("text", "char"),
    'models.TextField(default="it\'s")': ("text",),
    "models.SlugField(default='slug')": ("slug", "text", "char"),
    "models.IntegerField(default=1)": ("number", "text"),
    "models.IntegerField(db_default=7)": ("number", "text"),
    "models.IntegerField(null=True, db_index=True)": ("number", "text"),
    "models.BigIntegerField(default=2, db_comment='A number')": ("number", "text"),
    "models.PositiveIntegerField(default=3)": ("number", "text"),
    "models.DecimalField(max_digits=12, decimal_places=2, default=4)": ("decimal", "text"),
    "models.BooleanField(default=True)": ("switch", "text"),
    "models.JSONField(default=dict)": ("json",),
    "models.CharField(max_length=9, null=True, unique=True)": ("rare",),
    "models.DateField(null=True)": ("day", "text"),
}
_BECOMES = {
    "text": ("models.TextField(default='late')", "models.TextField(null=True)"),
    "char": (
        "models.CharField(max_length=90, default='z')",
        "models.CharField(max_length=80, db_collation='C')",
    ),
    "number": (
        "models.BigIntegerField(default=5)",
        "models.BigIntegerField(null=True)",
        "models.BigIntegerField(db_default=6, db_index=True)",
        "models.DecimalField(max_digits=12, decimal_places=3, default=4)",
    ),
    "slug": ("models.SlugField(max_length=70)",),
    "decimal": ("models.DecimalField(max_digits=14, decimal_places=3, default=0)",),
    "switch": ("models.BooleanField(null=True)",),
    "json": ("models.JSONField(default=list)",),
    "rare": ("models.CharField(max_length=19, null=True)",),
    "day": ("models.DateField(null=True, db_index=True)",),
}

_WRITE = """
def write_{number}(apps, schema_editor):
    model = apps.get_model("{app}", "{model}")
    for number in range(len(schema_editor.connection.schema_name) % 3 + 1):
        model.objects.create()
    about = apps.get_model("contenttypes", "ContentType").objects.get_for_model(model)
    what = f"{{about.model}} {{model.objects.count()}}"
    apps.get_model("{app}", "Seen").objects.create(what=what)
"""
_TOUCH = """
def touch_{number}(apps, schema_editor):
    for one in apps.get_model("{app}", "{model}").objects.order_by("pk").iterator(chunk_size=1):
        one.save()
"""
_FILE = """from django.db import migrations, models
from django.db.models import Q
{functions}

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = {dependencies}
    operations = [
{operations}
    ]
"""
_KEY = "('id', models.BigAutoField(primary_key=True))"
_SEEN = f"migrations.CreateModel('Seen', [{_KEY}, ('what', models.TextField())])"


@dataclass
class Column:
    """A field as it is now; `to` names the model that it points to."""

    source: str
    turns: tuple[str, ...] = ()
    to: str = ""
    many: bool = False

    @property
    def text(self) -> str:
        """The field's source, whatever the model is called by now."""
        return self.source.format(to=f"{APP}.{self.to}") if self.to else self.source


@dataclass
class Sketch:
    """A model as it is now."""

    columns: dict[str, Column] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)  # to the column
    checks: dict[str, str] = field(default_factory=dict)  # to the column
    key: str = "models.AutoField(primary_key=True)"

    def free(self) -> list[str]:
        """The columns that neither an index nor a constraint names."""
        return sorted(self.columns.keys() - {*self.indexes.values(), *self.checks.values()})


@dataclass
class History:
    """What was drawn so far."""

    draw: st.DrawFn
    models: dict[str, Sketch] = field(default_factory=dict)
    functions: list[str] = field(default_factory=list)
    number: int = 0

    def named(self, prefix: str) -> str:
        """A name that was never used."""
        self.number += 1
        return f"{prefix}_{self.number}"

    def one_of(self, choices: Iterable[str]) -> str:
        """Any of them."""
        return self.draw(st.sampled_from(sorted(choices)))


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """The migrations of an app, oldest first."""
    history = History(draw)
    files = [_file(0, [_SEEN, _create(history)], "", atomic=True)]
    for number in range(1, draw(st.integers(4, 8))):
        if draw(st.integers(0, 3)) == 0:
            # By itself: PostgreSQL alters no table in a transaction that has written to it.
            operations = [_rows(history)]
        else:
            operations = [_change(history) for _ in range(draw(st.integers(1, 4)))]
        functions = "".join(history.functions)
        history.functions.clear()
        files.append(_file(number, operations, functions, atomic=draw(st.integers(0, 5)) > 0))
    return files


def name_of(number: int) -> str:
    """The name of the migration with this number."""
    return f"{number + 1:04}_random"


def _file(number: int, operations: Sequence[str], functions: str, *, atomic: bool) -> str:
    before = (APP, name_of(number - 1)) if number else ("contenttypes", "0002_remove_content_type_name")
    lines = "\n".join(f"        {operation}," for operation in operations)
    return _FILE.format(functions=functions, atomic=atomic, dependencies=[before], operations=lines)


def _change(history: History) -> str:
    """Any change that can be made now."""
    possible = [change for change, when in _CHANGES if when(history)]
    return history.draw(st.sampled_from(possible))(history)


def _rows(history: History) -> str:
    model = history.one_of(history.models)
    kind = history.one_of(("write", "touch"))
    name = history.named(kind)
    number = name.rpartition("_")[2]
    source = _WRITE if kind == "write" else _TOUCH
    history.functions.append(source.format(number=number, app=APP, model=model))
    return f"migrations.RunPython({name})"


def _create(history: History) -> str:
    name = history.one_of(set(_MODELS) - history.models.keys())
    sketch = history.models[name] = Sketch()
    sketch.columns = {column: _column(history) for column in _FIELDS[:2]}
    fields = ", ".join(f"('{column}', {one.text})" for column, one in sketch.columns.items())
    return f"migrations.CreateModel('{name}', [('id', {sketch.key}), {fields}])"


def _column(history: History) -> Column:
    source = history.one_of(_KINDS)
    return Column(source, _KINDS[source])


def _delete(history: History) -> str:
    name = history.one_of(_deletable(history))
    del history.models[name]
    return f"migrations.DeleteModel('{name}')"


def _deletable(history: History) -> set[str]:
    """The models that no other points to; one at least stays."""
    pointed_to = {column.to for model in history.models.values() for column in model.columns.values()}
    return set(history.models) - pointed_to if len(history.models) > 1 else set()


def _rename(history: History) -> str:
    old = history.one_of(history.models)
    new = history.one_of(set(_MODELS) - history.models.keys())
    history.models[new] = history.models.pop(old)
    for model in history.models.values():
        for column in model.columns.values():
            column.to = new if column.to == old else column.to
    return f"migrations.RenameModel('{old}', '{new}')"


def _add_field(history: History) -> str:
    model = history.one_of(_with_room(history))
    sketch = history.models[model]
    name = history.one_of(set(_FIELDS) - sketch.columns.keys())
    sketch.columns[name] = column = history.draw(st.sampled_from((_column, _relation)))(history)
    keep = history.draw(st.booleans()) or "CharField" not in column.source
    return f"migrations.AddField('{model}', '{name}', {column.text}, preserve_default={keep})"


def _relation(history: History) -> Column:
    to = history.one_of(history.models)
    source = history.one_of(
        (
            "models.ForeignKey('{to}', models.CASCADE, null=True, related_name='+')",
            "models.ForeignKey('{to}', models.SET_NULL, null=True, related_name='+', db_index=False)",
            "models.OneToOneField('{to}', models.CASCADE, null=True, related_name='+')",
            "models.ManyToManyField('{to}', related_name='+')",
        )
    )
    return Column(source, to=to, many="ManyToMany" in source)


def _with_room(history: History) -> list[str]:
    return [name for name, model in history.models.items() if len(model.columns) < len(_FIELDS)]


def _remove_field(history: History) -> str:
    model, name = _free_column(history)
    del history.models[model].columns[name]
    return f"migrations.RemoveField('{model}', '{name}')"


def _rename_field(history: History) -> str:
    model, old = _free_column(history, spare=True)
    columns = history.models[model].columns
    new = history.one_of(set(_FIELDS) - columns.keys())
    columns[new] = columns.pop(old)
    return f"migrations.RenameField('{model}', '{old}', '{new}')"


def _free_column(history: History, *, spare: bool = False) -> tuple[str, str]:
    model = history.one_of(_with_free_column(history, spare=spare))
    return model, history.one_of(history.models[model].free())


def _with_free_column(history: History, *, spare: bool = False) -> list[str]:
    room = _with_room(history) if spare else list(history.models)
    return [name for name in room if history.models[name].free()]


def _alter_field(history: History) -> str:
    model = history.one_of(_with_turns(history))
    columns = history.models[model].columns
    name = history.one_of(_turning(history.models[model]))
    turn = history.one_of(columns[name].turns)
    columns[name] = Column(history.one_of(_BECOMES[turn]))
    return f"migrations.AlterField('{model}', '{name}', {columns[name].text})"


def _turning(model: Sketch) -> list[str]:
    return [name for name in model.free() if model.columns[name].turns]


def _with_turns(history: History) -> list[str]:
    return [name for name, model in history.models.items() if _turning(model)]


def _widen_key(history: History) -> str:
    model = history.one_of(_with_small_key(history))
    history.models[model].key = "models.BigAutoField(primary_key=True)"
    return f"migrations.AlterField('{model}', 'id', {history.models[model].key})"


def _with_small_key(history: History) -> list[str]:
    return [name for name, model in history.models.items() if "BigAuto" not in model.key]


def _add_index(history: History) -> str:
    model = history.one_of(_with_plain_column(history))
    column = history.one_of(_plain(history.models[model]))
    name = history.named("index")
    history.models[model].indexes[name] = column
    more = history.one_of(("", ", condition=Q(id__gt=5)", ", include=['id']"))
    return f"migrations.AddIndex('{model}', models.Index(fields=['{column}'], name='{name}'{more}))"


def _plain(model: Sketch) -> list[str]:
    return [name for name, column in model.columns.items() if not column.many and "JSON" not in column.source]


def _with_plain_column(history: History) -> list[str]:
    return [name for name, model in history.models.items() if _plain(model)]


def _remove_index(history: History) -> str:
    model = history.one_of(name for name, model in history.models.items() if model.indexes)
    name = history.one_of(history.models[model].indexes)
    del history.models[model].indexes[name]
    return f"migrations.RemoveIndex('{model}', '{name}')"


def _rename_index(history: History) -> str:
    model = history.one_of(name for name, model in history.models.items() if model.indexes)
    indexes = history.models[model].indexes
    old, new = history.one_of(indexes), history.named("index")
    indexes[new] = indexes.pop(old)
    return f"migrations.RenameIndex('{model}', new_name='{new}', old_name='{old}')"


def _add_constraint(history: History) -> str:
    model = history.one_of(_with_plain_column(history))
    column = history.one_of(_plain(history.models[model]))
    name = history.named("constraint")
    history.models[model].checks[name] = column
    constraint = history.one_of(
        (
            f"models.CheckConstraint(condition=Q(id__gt=0) | Q({column}__isnull=True), name='{name}')",
            f"models.UniqueConstraint(fields=['{column}', 'id'], name='{name}')",
            f"models.UniqueConstraint(fields=['{column}'], condition=Q(id__lt=0), name='{name}')",
        )
    )
    return f"migrations.AddConstraint('{model}', {constraint})"


def _remove_constraint(history: History) -> str:
    model = history.one_of(name for name, model in history.models.items() if model.checks)
    name = history.one_of(history.models[model].checks)
    del history.models[model].checks[name]
    return f"migrations.RemoveConstraint('{model}', '{name}')"


def _options(history: History) -> str:
    model, word = history.one_of(history.models), history.named("do")
    options = {
        "permissions": [(word, f"Can {word} 5%")],
        "verbose_name": word,
        "default_permissions": ["view"],
    }
    return f"migrations.AlterModelOptions('{model}', {options})"


def _comment(history: History) -> str:
    model = history.one_of(history.models)
    return f"migrations.AlterModelTableComment('{model}', '{history.named('comment')}')"


def _sql(history: History) -> str:
    name = history.named("made")
    sql = f"CREATE TABLE {name} (a int DEFAULT 5 % 3); COMMENT ON TABLE {name} IS '%s; no' -- the end"
    return f'migrations.RunSQL("{sql}")'


def _state_only(history: History) -> str:
    """A column made by hand, which the state learns of beside it."""
    model = history.one_of(_with_room(history))
    name = history.one_of(set(_FIELDS) - history.models[model].columns.keys())
    column = history.models[model].columns[name] = Column("models.IntegerField(default=1)", ("number",))
    operation = f"migrations.AddField('{model}', '{name}', {column.text})"
    made = f"migrations.SeparateDatabaseAndState(database_operations=[{operation}])"
    return f"{made}, migrations.SeparateDatabaseAndState(state_operations=[{operation}])"


def _always(_: History) -> bool:
    return True


_Change = tuple[Callable[[History], str], Callable[[History], object]]
_CHANGES: tuple[_Change, ...] = (
    (_create, lambda history: len(history.models) < len(_MODELS)),
    (_delete, _deletable),
    (_rename, lambda history: len(history.models) < len(_MODELS)),
    (_add_field, _with_room),
    (_remove_field, _with_free_column),
    (_rename_field, lambda history: _with_free_column(history, spare=True)),
    (_alter_field, _with_turns),
    (_widen_key, _with_small_key),
    (_add_index, _with_plain_column),
    (_remove_index, lambda history: any(model.indexes for model in history.models.values())),
    (_rename_index, lambda history: any(model.indexes for model in history.models.values())),
    (_add_constraint, _with_plain_column),
    (_remove_constraint, lambda history: any(model.checks for model in history.models.values())),
    (_options, _always),
    (_comment, _always),
    (_sql, _always),
    (_state_only, _with_room),
)
