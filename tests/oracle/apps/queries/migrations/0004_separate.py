from django.db import migrations, models
from django.db.models.deletion import CASCADE


def add(apps, schema_editor):
    note, paper = apps.get_model("queries", "Note"), apps.get_model("queries", "Paper")
    paper.objects.create(note=note.objects.order_by("id").first(), title="paper")


class Migration(migrations.Migration):
    dependencies = [("queries", "0003_objects")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("CREATE TABLE papers (id bigserial PRIMARY KEY, title text NOT NULL)"),
                migrations.SeparateDatabaseAndState(
                    database_operations=[
                        migrations.RunSQL(
                            "ALTER TABLE papers ADD COLUMN note_id bigint REFERENCES queries_note (id)"
                        )
                    ],
                    state_operations=[],
                ),
            ],
            state_operations=[
                migrations.CreateModel(
                    "Paper",
                    [
                        ("id", models.BigAutoField(primary_key=True)),
                        ("title", models.TextField()),
                    ],
                    options={"db_table": "papers"},
                ),
                migrations.SeparateDatabaseAndState(
                    state_operations=[
                        migrations.AddField(
                            "paper", "note", models.ForeignKey("queries.Note", CASCADE, null=True)
                        )
                    ]
                ),
            ],
        ),
        migrations.RunPython(add),
        # In the database alone: states within database_operations follow each other, the outer one stays.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.CreateModel("Hidden", [("id", models.BigAutoField(primary_key=True))]),
                migrations.AddField(
                    "hidden", "word", models.CharField(max_length=5, default="w", db_index=True)
                ),
                migrations.AddField("note", "hidden", models.IntegerField(db_default=1)),
            ]
        ),
        migrations.AlterField("paper", "title", models.CharField(max_length=77, db_index=True)),
    ]
