from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("extras", "0004_collations")]
    operations = [
        AddConstraintNotValid(
            "room", models.CheckConstraint(condition=models.Q(number__gte=1), name="room_checked")
        ),
        AddConstraintNotValid(
            "room", models.CheckConstraint(condition=~models.Q(name="5%"), name="room_unchecked")
        ),
        migrations.RunPython(
            lambda apps, schema_editor: apps.get_model("extras", "Room").objects.update(number=3)
        ),
    ]
