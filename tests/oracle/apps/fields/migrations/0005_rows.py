from django.db import migrations, models


def write(apps, schema_editor):
    thing = apps.get_model("fields", "Thing")
    thing.objects.filter(switch=True).update(size="S", place=models.F("level") + 1)
    thing.objects.create(name="later", sign="later", price="1.00", ready=1, differs_uuid="0" * 32)
    named = apps.get_model("fields", "Named")
    named.objects.create(code="N", ratio=2, address="::1")


class Migration(migrations.Migration):
    dependencies = [("fields", "0004_rename_remove")]
    operations = [migrations.RunPython(write, elidable=True)]
