from django.db import migrations, models
from django.db.models.deletion import CASCADE


def join(apps, schema_editor):
    elder, child, joining = (apps.get_model("relations", name) for name in ("Elder", "Child", "Joining"))
    child = child.objects.order_by("id").first()
    for one in elder.objects.order_by("number"):
        joining.objects.create(elder=one, child=child, since=one.pk)


class Migration(migrations.Migration):
    dependencies = [("relations", "0004_keys")]
    operations = [
        migrations.CreateModel(
            "Joining",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("child", models.ForeignKey("relations.Child", CASCADE)),
                ("elder", models.ForeignKey("relations.Elder", CASCADE)),
                ("since", models.IntegerField()),
            ],
            options={"unique_together": {("child", "elder")}},
        ),
        migrations.AddField(
            "elder",
            "adopted",
            models.ManyToManyField("relations.Child", through="relations.Joining", related_name="+"),
        ),
        migrations.RunPython(join),
    ]
