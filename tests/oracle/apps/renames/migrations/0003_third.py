from django.db import migrations, models


def look(apps, schema_editor):
    types, third = apps.get_model("contenttypes", "ContentType"), apps.get_model("renames", "Third")
    third.objects.create(name=f"{types.objects.get_for_model(third).model}, {types.objects.count() > 0}")


class Migration(migrations.Migration):
    dependencies = [("renames", "0002_second")]
    operations = [
        migrations.RenameModel("Second", "Third"),
        migrations.RunPython(look),
        migrations.CreateModel("First", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AlterModelOptions("third", {"permissions": [("wave_third", "Can wave")]}),
        migrations.AlterModelOptions(
            "named", {"verbose_name": "another name", "default_permissions": ("view", "call")}
        ),
    ]
