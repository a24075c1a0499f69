from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils.text import slugify


def fill_slugs(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    buildings = apps.get_model("buildings", "Building").objects.using(schema_editor.connection.alias)
    for building in buildings.filter(slug=""):
        building.slug = slugify(building.name)
        building.save(update_fields=["slug"])


class Migration(migrations.Migration):
    dependencies = [("buildings", "0005_building_slug")]

    operations = [migrations.RunPython(fill_slugs, migrations.RunPython.noop)]
