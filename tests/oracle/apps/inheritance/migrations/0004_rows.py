from django.db import migrations


def remove(apps, schema_editor):
    apps.get_model("inheritance", "Animal").objects.order_by("pk").first().delete()


class Migration(migrations.Migration):
    dependencies = [("inheritance", "0003_keys")]
    operations = [migrations.RunPython(remove)]
