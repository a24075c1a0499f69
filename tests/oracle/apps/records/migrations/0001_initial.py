from django.db import migrations, models
from django.db.models.deletion import CASCADE

from records.managers import Counting


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("users", "0001_initial"),
    ]
    operations = [
        migrations.CreateModel(
            "Shelf",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=99, unique=True)),
            ],
        ),
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("shelf", models.ForeignKey("records.Shelf", CASCADE, null=True)),
                ("text", models.TextField()),
                ("number", models.IntegerField(default=0)),
                ("about", models.ForeignKey("contenttypes.ContentType", CASCADE, null=True)),
            ],
            managers=[("counted", Counting())],
        ),
    ]
