from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION driver_add(a text) RETURNS bigint LANGUAGE sql AS
$$ INSERT INTO driver_line (text) VALUES (a) RETURNING id $$
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Line", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())]
        ),
        migrations.RunSQL(FUNCTION),
    ]
