"""Writes the project: the apps, the tenants, and settings for each of the tools that are compared."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.generator.apps import apps, label
from benchmarks.generator.history import App, Key
from benchmarks.generator.releases import Release, release
from benchmarks.generator.shapes import APPS, Shape

SETTINGS = "config.settings"
SMART_SETTINGS = "config.smart"
PGSCHEMAS_SETTINGS = "config.pgschemas"

_MANAGE = """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
execute_from_command_line(sys.argv)
"""

_SETTINGS = """\
import os
from urllib.parse import parse_qsl, urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])
_jobs = int(os.environ.get("JOBS", "2"))

SECRET_KEY = "for a benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{
    "default": {{
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": _url.path.lstrip("/"),
        "USER": _url.username,
        "PASSWORD": _url.password,
        "HOST": _url.hostname,
        "PORT": str(_url.port),
        "OPTIONS": dict(parse_qsl(_url.query)),
    }}
}}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_MODEL = "tenants.Client"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_MULTIPROCESSING_MAX_PROCESSES = _jobs
DJANGO_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
SHARED_APPS = ["django_tenants", "tenants", *DJANGO_APPS, *{shared}]
TENANT_APPS = [*{django}, *{tenant}]
INSTALLED_APPS = [*SHARED_APPS, *{tenant}]
"""

_SMART = """\
from config.settings import *

GET_EXECUTOR_FUNCTION = "django_tenants_smart_executor.load_executor"
"""

# The same tables, described by the models of another library: its app has the same label.
_PGSCHEMAS = """\
from config.settings import *
from config.settings import _jobs

DATABASES["default"]["ENGINE"] = "django_pgschemas.postgresql"
DATABASE_ROUTERS = ["django_pgschemas.routers.TenantAppsRouter"]
PGSCHEMAS_PARALLEL_MAX_PROCESSES = _jobs
SILENCED_SYSTEM_CHECKS = ["pgschemas.W002", "pgschemas.W003"]
_replaced = {"django_tenants": "django_pgschemas", "tenants": "pgtenants"}
TENANTS = {
    "public": {"APPS": [_replaced.get(app, app) for app in SHARED_APPS]},
    "default": {"TENANT_MODEL": "tenants.Client", "APPS": TENANT_APPS, "URLCONF": "config.urls"},
}
INSTALLED_APPS = [_replaced.get(app, app) for app in INSTALLED_APPS]
"""

_TENANTS = """\
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):
    name = models.CharField(max_length=100)


class Domain(DomainMixin):
    pass
"""

_PGTENANTS = """\
from django.db import models
from django_pgschemas.models import TenantModel


class Client(TenantModel):
    name = models.CharField(max_length=100)
"""

_PGTENANTS_CONFIG = """\
from django.apps import AppConfig


class Config(AppConfig):
    name = "pgtenants"
    label = "tenants"
"""

_TENANTS_MIGRATION = """\
import django.db.models.deletion
import django_tenants.postgresql_backend.base
from django.db import migrations, models

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            "Client",
            fields=[
                ("id", ID),
                (
                    "schema_name",
                    models.CharField(
                        db_index=True,
                        max_length=63,
                        unique=True,
                        validators=[django_tenants.postgresql_backend.base._check_schema_name],
                    ),
                ),
                ("name", models.CharField(max_length=100)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            "Domain",
            fields=[
                ("id", ID),
                ("domain", models.CharField(db_index=True, max_length=253, unique=True)),
                ("is_primary", models.BooleanField(db_index=True, default=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="domains",
                        to="tenants.client",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
    ]
"""


@dataclass(frozen=True)
class Project:
    """A written project, whose tenants are one release behind."""

    folder: Path
    shape: Shape
    release: Release
    newest: tuple[Key, ...]  # of each app


def write(folder: Path, shape: Shape, release_name: str) -> Project:
    """Write the project with one of the releases into a new folder."""
    made = apps(shape)
    to_come = release(release_name, made)
    for path, text in (frame(_of_shape(shape)) | _app_files(made)).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return Project(folder, shape, to_come, tuple(app.latest for app in made.values()))


def frame(settings: str) -> dict[str, str]:
    """What a project has beside its apps."""
    return {
        "manage.py": _MANAGE,
        "config/__init__.py": "",
        "config/settings.py": settings,
        "config/smart.py": _SMART,
        "config/pgschemas.py": _PGSCHEMAS,
        "config/urls.py": "urlpatterns = []\n",
        "tenants/__init__.py": "",
        "tenants/models.py": _TENANTS,
        "tenants/migrations/__init__.py": "",
        "tenants/migrations/0001_initial.py": _TENANTS_MIGRATION,
        "pgtenants/__init__.py": "",
        "pgtenants/apps.py": _PGTENANTS_CONFIG,
        "pgtenants/models.py": _PGTENANTS,
        "pgtenants/migrations/__init__.py": "",
        "pgtenants/migrations/0001_initial.py": _TENANTS_MIGRATION,
    }


def settings(tenant: list[str], shared: list[str], *, users: bool) -> str:
    """The settings of a project with these apps; with content types, permissions and users, or without."""
    return _SETTINGS.format(tenant=tenant, shared=shared, django="DJANGO_APPS" if users else "[]")


def _of_shape(shape: Shape) -> str:
    labels = [label(number) for number in range(1, APPS + 1)]
    own, others = labels[: shape.tenant_apps], labels[shape.tenant_apps :]
    return settings(own, others, users=shape.with_users)


def _app_files(made: dict[str, App]) -> dict[str, str]:
    files = {}
    for app in made.values():
        files[f"{app.label}/__init__.py"] = files[f"{app.label}/migrations/__init__.py"] = ""
        files[f"{app.label}/models.py"] = app.models_source
        for name, source in app.migrations.items():
            files[f"{app.label}/migrations/{name}.py"] = source
    return files
