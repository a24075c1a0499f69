from django.db import connection, migrations

from leftovers.kinds import LOOK


def look(apps, schema_editor):
    with connection.cursor() as cursor:
        for kind, statement in LOOK.items():
            cursor.execute(f"INSERT INTO leftovers_mark (text) SELECT '{kind}: ' || ({statement})")


class Migration(migrations.Migration):
    dependencies = [("leftovers", "0001_initial")]
    operations = [migrations.RunPython(look)]
