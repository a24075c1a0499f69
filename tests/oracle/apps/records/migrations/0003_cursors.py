from django.db import DatabaseError, IntegrityError, connection, migrations, models, transaction

INSERT = "INSERT INTO records_note (text, number) VALUES (%s, %s)"


def raw(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), count(*) FROM records_note")
        schema, count = cursor.fetchone()
        cursor.executemany(INSERT, [(schema, count), ("50%", count + 1)])
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO records_note (text, number) VALUES ('%', 3)")
        cursor.execute("SELECT current_schemas(false)::text")
        cursor.execute(INSERT, [cursor.fetchone()[0], 4])


def caught(apps, schema_editor):
    shelf = apps.get_model("records", "Shelf")
    shelf.objects.create(name="one of a kind")
    try:
        with transaction.atomic():
            shelf.objects.create(name="gone")
            shelf.objects.create(name="one of a kind")
    except IntegrityError:
        shelf.objects.create(name="caught")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere")
    except DatabaseError as error:
        shelf.objects.create(name=str(error).partition("\n")[0])


def by_editor(apps, schema_editor):
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute("CREATE INDEX records_by_hand ON records_note (number)")
    schema_editor.execute(INSERT, ["by the editor", 5])
    schema_editor.execute("INSERT INTO records_note (text, number) VALUES ('%s', 0)", None)
    note = apps.get_model("records", "Note")
    with connection.schema_editor() as another:
        another.add_index(note, models.Index(fields=["number", "text"], name="records_another"))
    schema_editor.alter_db_table_comment(note, "", "By hand, it's so")
    schema_editor.deferred_sql.append("COMMENT ON COLUMN records_note.text IS 'Deferred'")


def after_commit(apps, schema_editor):
    def write():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO records_note (text, number) VALUES (current_schema(), 0)")

    transaction.on_commit(write)
    apps.get_model("records", "Note").counted.numbered(f"in a block: {connection.in_atomic_block}")


def settings(apps, schema_editor):
    with connection.cursor() as cursor:
        for name in ("TimeZone", "client_encoding", "search_path", "DateStyle", "lock_timeout"):
            cursor.execute("SELECT current_setting(%s)", [name])
            cursor.execute(INSERT, [f"{name} is {cursor.fetchone()[0]}", 6])


class Migration(migrations.Migration):
    dependencies = [("records", "0002_models")]
    operations = [
        migrations.RunPython(raw),
        migrations.RunPython(caught),
        migrations.RunPython(by_editor),
        migrations.RunPython(after_commit),
        migrations.RunPython(settings),
    ]
