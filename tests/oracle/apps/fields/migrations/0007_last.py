from django.db import migrations, models


def number(apps, schema_editor):
    for row in apps.get_model("fields", "Thing").objects.order_by("id").iterator(chunk_size=2):
        row.serial = row.pk * 2
        row.save()


class Migration(migrations.Migration):
    dependencies = [("fields", "0006_keys")]
    operations = [
        migrations.RunPython(number),
        migrations.AlterField("thing", "serial", models.IntegerField(unique=True)),
        migrations.AddField("thing", "late", models.BooleanField(default=False)),
        migrations.AlterField("thing", "late", models.BooleanField(default=True)),
        migrations.RemoveField("thing", "late"),
    ]
