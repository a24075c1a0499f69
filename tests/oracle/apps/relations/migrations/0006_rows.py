from django.db import migrations


def forget(apps, schema_editor):
    elder = apps.get_model("relations", "Elder")
    elder.objects.get(pk=elder.objects.order_by("-pk").first().pk).friends.clear()
    apps.get_model("relations", "Tag").objects.order_by("-pk").first().delete()


class Migration(migrations.Migration):
    dependencies = [("relations", "0005_through")]
    operations = [migrations.RunPython(forget)]
