"""One app's history: each change is told once, and gives both a migration and the models of today."""

from collections.abc import Iterable
from dataclasses import dataclass, field

Key = tuple[str, str]  # app label and migration name

_ID = 'models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")'

_MIGRATION = """\
from django.conf import settings
from django.db import migrations, models
import django.db.models.deletion


{code}class Migration(migrations.Migration):
    dependencies = [{dependencies}]
    operations = [
        {operations},
    ]
"""


@dataclass(frozen=True)
class Model:
    """A model as it is now: the sources of its fields, indexes and constraints."""

    fields: dict[str, str]
    indexes: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)

    def source(self, name: str) -> str:
        """The class."""
        lines = [f"class {name}(models.Model):"]
        lines += [f"    {field} = {source}" for field, source in self.fields.items()]
        if self.indexes or self.constraints:
            lines += ["", "    class Meta:"]
            lines += [f"        indexes = [{', '.join(self.indexes)}]"]
            lines += [f"        constraints = [{', '.join(self.constraints)}]"]
        return "\n".join(lines)


class App:
    """Models and migrations. The methods that change a model return the operation that does it."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.migrations: dict[str, str] = {}
        self._models: dict[str, Model] = {}

    @property
    def latest(self) -> Key:
        """The newest migration."""
        return (self.label, list(self.migrations)[-1])

    @property
    def models_source(self) -> str:
        """The module `models`."""
        head = "from django.conf import settings\nfrom django.db import models"
        return "\n\n\n".join([head, *(model.source(name) for name, model in self._models.items())]) + "\n"

    def create(self, name: str, /, **fields: str) -> str:
        """CreateModel."""
        self._models[name] = Model(dict(fields))
        pairs = ", ".join(f'("{field}", {source})' for field, source in {"id": _ID, **fields}.items())
        return f'migrations.CreateModel("{name}", fields=[{pairs}])'

    def add_field(self, model: str, name: str, source: str) -> str:
        """AddField."""
        self._models[model].fields[name] = source
        return f'migrations.AddField("{model}", "{name}", {source})'

    def alter_field(self, model: str, name: str, source: str) -> str:
        """AlterField."""
        self._models[model].fields[name] = source
        return f'migrations.AlterField("{model}", "{name}", {source})'

    def rename_field(self, model: str, old: str, new: str) -> str:
        """RenameField."""
        fields = self._models[model].fields
        renamed = {new if name == old else name: source for name, source in fields.items()}
        fields.clear()
        fields.update(renamed)
        return f'migrations.RenameField("{model}", "{old}", "{new}")'

    def add_index(self, model: str, name: str, *fields: str) -> str:
        """AddIndex."""
        source = f'models.Index(fields={list(fields)!r}, name="{self.label}_{name}")'
        self._models[model].indexes.append(source)
        return f'migrations.AddIndex("{model}", {source})'

    def add_constraint(self, model: str, kind: str, name: str, arguments: str) -> str:
        """AddConstraint of models.CheckConstraint or models.UniqueConstraint."""
        source = f'models.{kind}({arguments}, name="{self.label}_{name}")'
        self._models[model].constraints.append(source)
        return f'migrations.AddConstraint("{model}", {source})'

    def migration(self, name: str, *operations: str, needs: Iterable[Key] = (), code: str = "") -> None:
        """Close a migration that depends on the one before and on those that it `needs`."""
        before = [self.latest] if self.migrations else []
        self.migrations[name] = _MIGRATION.format(
            code=f"{code}\n\n" if code else "",
            dependencies=", ".join(_dependency(*key) for key in [*before, *needs]),
            operations=",\n        ".join(operations),
        )


def _dependency(app: str, name: str) -> str:
    if app == "auth":
        return "migrations.swappable_dependency(settings.AUTH_USER_MODEL)"
    return f"({app!r}, {name!r})"
