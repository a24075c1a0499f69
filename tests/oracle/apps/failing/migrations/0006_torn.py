from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("failing", "0005_deferred")]
    operations = [
        migrations.AddField("thing", "torn", models.IntegerField(default=3)),
        migrations.RunSQL("UPDATE failing_thing SET torn = 1 / (CASE WHEN name = 'zero' THEN 0 ELSE 1 END)"),
        migrations.AddIndex("thing", models.Index(fields=["torn"], name="failing_torn")),
    ]
