from django.conf import settings
from django.db import migrations


def fill(apps, schema_editor):
    replacement, user = apps.get_model(settings.SWAPPING_MODEL), apps.get_model("swapping", "User")
    user.objects.create(model=replacement.objects.create(title=schema_editor.connection.schema_name[:9]))


class Migration(migrations.Migration):
    dependencies = [("swapping", "0002_more")]
    operations = [migrations.RunPython(fill)]
