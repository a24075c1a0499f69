"""Where PostGIS is, and a project that needs it."""

from ctypes.util import find_library

from .release import POSTGIS, Project
from .server import psql

SETTINGS = f"""{POSTGIS}
TENANT_APPS.append("places")
INSTALLED_APPS.append("places")
"""
MODELS = """\
from django.contrib.gis.db import models


class Place(models.Model):
    name = models.CharField(max_length=20)
    at = models.PointField(geography=True)
    outline = models.PolygonField(srid=2100, null=True)
    height = models.FloatField(default=0)
"""
FIRST = """\
from django.contrib.gis.db import models
from django.contrib.gis.geos import Point
from django.db import migrations


def fill(apps, schema_editor):
    apps.get_model("places", "Place").objects.create(name="lift", at=Point(23.7, 37.9))


class Migration(migrations.Migration):
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Place",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=20)),
                ("at", models.PointField(geography=True)),
            ],
        ),
        migrations.RunPython(fill),
    ]
"""
SECOND = """\
from django.contrib.gis.db import models
from django.contrib.gis.measure import D
from django.contrib.gis.geos import Point
from django.db import migrations


def look(apps, schema_editor):
    place = apps.get_model("places", "Place").objects.get(at__dwithin=(Point(23.7, 37.9), D(m=5)))
    assert (place.name, place.at.x) == ("lift", 23.7)


class Migration(migrations.Migration):
    dependencies = [("places", "0001_initial")]
    operations = [
        migrations.AddField("Place", "outline", models.PolygonField(srid=2100, null=True)),
        migrations.AddField("Place", "height", models.FloatField(default=0)),
        migrations.RunPython(look),
    ]
"""


def why_not(url: str) -> str:
    """What is missing here for PostGIS, or nothing."""
    if not psql(url, "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"):
        return "this server has no PostGIS (Debian: postgresql-15-postgis-3, with TEST_POSTGRES_BIN)"
    missing = [name for name in ("gdal", "geos_c", "proj") if not find_library(name)]
    return f"no library {', '.join(missing)} here" if missing else ""


def place(project: Project) -> None:
    """Give the tenants an app with columns and indexes of PostGIS' types."""
    for path, text in {"models.py": MODELS, "__init__.py": "", "migrations/__init__.py": ""}.items():
        project.write(f"places/{path}", text)
    project.write("places/migrations/0001_initial.py", FIRST)
    project.write("places/migrations/0002_outline.py", SECOND)
    project.settings(SETTINGS)
