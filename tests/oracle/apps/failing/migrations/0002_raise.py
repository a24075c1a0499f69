from django.db import migrations, models


def write(apps, schema_editor):
    schema = schema_editor.connection.schema_name
    apps.get_model("failing", "Thing").objects.create(name=f"written in {schema}")
    if schema.startswith("raises"):
        raise RuntimeError(schema)


class Migration(migrations.Migration):
    dependencies = [("failing", "0001_initial")]
    operations = [
        migrations.AddField("thing", "before", models.IntegerField(default=1)),
        migrations.RunPython(write),
    ]
