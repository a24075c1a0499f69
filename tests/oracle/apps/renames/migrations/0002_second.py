from django.db import migrations


def look(apps, schema_editor):
    types, second = apps.get_model("contenttypes", "ContentType"), apps.get_model("renames", "Second")
    about = types.objects.filter(app_label="renames").order_by("model").values_list("model", flat=True)
    second.objects.create(name=",".join(about))


class Migration(migrations.Migration):
    dependencies = [("renames", "0001_initial"), ("contenttypes", "0002_remove_content_type_name")]
    operations = [
        migrations.RenameModel("First", "Second"),
        migrations.RunPython(look),
        migrations.RenameModel("Constant", "Durable"),
        migrations.DeleteModel("Doomed"),
    ]
