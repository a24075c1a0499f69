from django.db import migrations, models
from django.db.backends.postgresql.psycopg_any import is_psycopg3


class Migration(migrations.Migration):
    dependencies = [("queries", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "UPDATE queries_note SET number = 3; INSERT INTO queries_note (word, number) VALUES ('a;b', 4);"
        ),
        migrations.RunSQL(
            [
                "INSERT INTO queries_note (word, number) VALUES ('50%', 5)",
                ("INSERT INTO queries_note (word, number) VALUES (%s, %s)", ["6% it's", 6]),
                ("INSERT INTO queries_note (word, number) VALUES (%s || '%%', 7)", ("seven",)),
                ("INSERT INTO queries_note (word, number) VALUES ('eight', 8)", None),
            ]
        ),
        migrations.RunSQL("INSERT INTO queries_note (word, number) VALUES ('%s %(a)s %%', 9)"),
        migrations.RunSQL("INSERT INTO queries_note (word, number) VALUES ('ten', 10) -- and no semicolon"),
        migrations.RunSQL("-- only a comment" if is_psycopg3 else ""),  # psycopg2 refuses to send nothing
        migrations.RunSQL(""),
        migrations.RunSQL(migrations.RunSQL.noop),
        migrations.RunSQL([]),
        migrations.RunSQL("SELECT 1; SELECT 2"),
        migrations.RunSQL(
            "DO $do$ BEGIN EXECUTE 'INSERT INTO queries_note (word, number) VALUES ($$d; %$$, 11)'; END $do$"
        ),
        migrations.RunSQL("UPDATE queries_note SET number = number + 1 /* the last */;\n\n  ;\n"),
        migrations.RunSQL(
            "ALTER TABLE queries_note ADD COLUMN extra integer NOT NULL DEFAULT 12",
            state_operations=[migrations.AddField("note", "extra", models.IntegerField(default=12))],
        ),
        migrations.RunSQL(
            "INSERT INTO queries_note (word, number, extra) VALUES ('hinted', 0, 1)",
            hints={"model_name": "note"},
        ),
    ]
