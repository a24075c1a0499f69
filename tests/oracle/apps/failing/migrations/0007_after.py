from django.db import migrations


def write(apps, schema_editor):
    """The default was for the rows of then: a new one is empty."""
    apps.get_model("failing", "Thing").objects.create(late=True)


class Migration(migrations.Migration):
    dependencies = [("failing", "0006_torn")]
    operations = [migrations.RunPython(write)]
