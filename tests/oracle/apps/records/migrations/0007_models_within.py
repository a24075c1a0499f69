from django.db import migrations, models


def fill(apps, schema_editor):
    """All models that this state knows, and what their relations say."""
    note = apps.get_model("records", "Note")
    names = sorted(model._meta.label for model in apps.get_models() if model._meta.app_label == "records")
    fields = ",".join(field.name for field in note._meta.get_fields())
    note.counted.create(text=f"{names} {fields}", word=f"{note.counted.count()}")
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("records", "0006_not_atomic")]
    operations = [
        migrations.AddField("note", "word", models.CharField(max_length=20, default="w")),
        migrations.RunPython(fill),
        migrations.CreateModel(
            "Other",
            [
                ("id", models.AutoField(primary_key=True)),
                ("note", models.ForeignKey("records.Note", models.CASCADE)),
            ],
        ),
        migrations.RunPython(fill),
        migrations.RemoveField("note", "late"),
        migrations.RunPython(fill),
        migrations.AddField("note", "others", models.ManyToManyField("records.Other", related_name="+")),
        migrations.RunPython(fill),
        migrations.RemoveField("note", "others"),
        migrations.DeleteModel("Other"),
    ]
