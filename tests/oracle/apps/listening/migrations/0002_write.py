from django.db import migrations


def write(apps, schema_editor):
    author = apps.get_model("listening", "Author").objects.create(name="first")
    author.note_set.create(text="first")
    apps.get_model("listening", "Note").objects.update(written="2026-01-01")


class Migration(migrations.Migration):
    dependencies = [("listening", "0001_initial")]
    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
