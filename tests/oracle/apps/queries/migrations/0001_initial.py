from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION queries_stamp() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- A semicolon; and a percent sign: 5%
    NEW.word := NEW.word || '%s';
    RETURN NEW;
END;
$body$;
CREATE TRIGGER stamp BEFORE INSERT ON queries_note FOR EACH ROW EXECUTE FUNCTION queries_stamp();
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("word", models.CharField(max_length=99)),
                ("number", models.IntegerField(default=0)),
            ],
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION queries_stamp() CASCADE"),
        migrations.RunSQL(
            "INSERT INTO queries_note (word, number) VALUES (current_schema(), 1), ('it''s', 2)"
        ),
    ]
