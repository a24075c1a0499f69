from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models


def tag(apps, schema_editor):
    for room in apps.get_model("extras", "Room").objects.filter(facts__has_key="of").order_by("pk"):
        room.tags = [*room.tags, room.facts["of"][:10]]
        room.save()


class Migration(migrations.Migration):
    dependencies = [("extras", "0005_not_valid")]
    operations = [
        ValidateConstraint("room", "room_checked"),
        migrations.RunPython(tag),
        migrations.AlterField(
            "room", "tags", ArrayField(models.CharField(max_length=20), default=list, size=9)
        ),
        migrations.RemoveConstraint("room", "room_exclusion"),
        migrations.RemoveField("room", "facts"),
    ]
