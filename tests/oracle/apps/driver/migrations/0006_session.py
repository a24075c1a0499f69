from django.db import connection, migrations

SHOWN = (
    "transaction_isolation",
    "role",
    "TimeZone",
    "search_path",
    "transaction_read_only",
)


def show(apps, schema_editor):
    line = apps.get_model("driver", "Line")
    for name in SHOWN:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting(%s)", [name])
            line.objects.create(text=f"{name}: {cursor.fetchone()[0]}")
    line.objects.create(text=f"atomic {connection.in_atomic_block}, autocommit {connection.get_autocommit()}")


class Migration(migrations.Migration):
    dependencies = [("driver", "0005_not_atomic")]
    operations = [migrations.RunPython(show), migrations.RunPython(show, atomic=True)]
