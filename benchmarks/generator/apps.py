"""The thirty apps: eight migrations each, about 250 together with those of Django's own apps."""

from benchmarks.generator.history import App, Key
from benchmarks.generator.shapes import APPS, Shape

USERS: Key = ("auth", "__first__")

_FIRST = "0001_initial"
_NAME = "models.CharField(max_length={})"
_TEXT = 'models.CharField(max_length={}, default="")'
_CHOICES = 'models.CharField(max_length=10, default="new", choices=[("new", "New"), ("old", "Old")])'
_RANK = "models.IntegerField(null=True)"

_ADD_ROWS = """
def add_rows(apps, schema_editor):
    model = apps.get_model("{app}", "Alpha")
    model.objects.bulk_create(model(name=f"row {{number}}") for number in range(3))

"""


def label(number: int) -> str:
    """The label of an app, counted from one."""
    return f"app{number:02}"


def apps(shape: Shape) -> dict[str, App]:
    """All apps with their history, by label; no release of the future yet."""
    made = (_app(number, shape) for number in range(1, APPS + 1))
    return {app.label: app for app in made}


def foreign_key(to: str, name: str = "+") -> str:
    """The source of a foreign key that may be empty."""
    return f'models.ForeignKey({to}, null=True, on_delete=models.CASCADE, related_name="{name}")'


def _app(number: int, shape: Shape) -> App:
    app = App(label(number))
    in_tenants = number <= shape.tenant_apps
    _initial(app, number, shape)
    others = ["Beta", "Gamma", "Delta"][: shape.tables_per_app - 1 if in_tenants else 0]
    app.migration("0002_more", *_more_models(app, others))
    app.migration("0003_note", app.add_field("Alpha", "note", 'models.TextField(blank=True, default="")'))
    app.migration("0004_index", app.add_index("Alpha", "by_name", "name", "code"))
    app.migration("0005_data", _data(app, number), code=_ADD_ROWS.format(app=app.label))
    app.migration("0006_longer_name", app.alter_field("Alpha", "name", _NAME.format(200)))
    app.migration("0007_constraint", _constraint(app))
    app.migration(
        "0008_choices",
        app.alter_field("Alpha", "status", _CHOICES),
        app.add_field("Alpha", "seen", "models.DateTimeField(null=True)"),
    )
    return app


def _initial(app: App, number: int, shape: Shape) -> None:
    fields = {
        "name": _NAME.format(100),
        "code": _TEXT.format(20),
        "status": 'models.CharField(max_length=10, default="new")',
        "amount": "models.IntegerField(default=0)",
        "created": "models.DateTimeField(auto_now_add=True)",
    }
    relations = _relations(number, shape)
    fields |= {name: foreign_key(to) for name, (to, _) in relations.items()}
    app.migration(_FIRST, app.create("Alpha", **fields), needs=[key for _, key in relations.values()])


def _relations(number: int, shape: Shape) -> dict[str, tuple[str, Key]]:
    """To the app before, to a table of the shared schema, to the users, as real projects have them."""
    found: dict[str, tuple[str, Key]] = {}
    if 1 < number <= shape.tenant_apps:
        found["before"] = (f'"{label(number - 1)}.Alpha"', (label(number - 1), _FIRST))
    if number <= shape.tenant_apps and number % 5 == 0:
        found["country"] = (f'"{label(APPS)}.Alpha"', (label(APPS), _FIRST))
    if shape.with_users and number <= shape.tenant_apps and number % 4 == 0:
        found["author"] = ("settings.AUTH_USER_MODEL", USERS)
    return found


def _more_models(app: App, names: list[str]) -> list[str]:
    operations = [app.add_field("Alpha", "rank", _RANK)]
    for name in names:
        parent = f'models.ForeignKey("{app.label}.Alpha", on_delete=models.CASCADE)'
        operations += [app.create(name, parent=parent, title=_NAME.format(100), rank=_RANK)]
    return operations


def _data(app: App, number: int) -> str:
    if number % 3 == 0:
        return "migrations.RunPython(add_rows, migrations.RunPython.noop)"
    if number % 3 == 1:
        return f"""migrations.RunSQL("UPDATE {app.label}_alpha SET code = 'none' WHERE code = ''")"""
    return app.alter_field("Alpha", "code", _TEXT.format(30))


def _constraint(app: App) -> str:
    return app.add_constraint("Alpha", "CheckConstraint", "amount", "condition=models.Q(amount__gte=0)")
