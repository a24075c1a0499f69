from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    """A many-to-many field gets a model for the table in between, as the documentation shows it."""

    dependencies = [("queries", "0005_papers")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("ALTER TABLE queries_note_papers RENAME TO queries_noting"),
            ],
            state_operations=[
                migrations.CreateModel(
                    "Noting",
                    [
                        ("id", models.BigAutoField(primary_key=True)),
                        ("note", models.ForeignKey("queries.Note", CASCADE)),
                        ("paper", models.ForeignKey("queries.Paper", CASCADE)),
                    ],
                ),
                migrations.AlterField(
                    "note",
                    "papers",
                    models.ManyToManyField("queries.Paper", related_name="+", through="queries.Noting"),
                ),
            ],
        ),
        migrations.AddField("noting", "since", models.IntegerField(default=2026)),
    ]
