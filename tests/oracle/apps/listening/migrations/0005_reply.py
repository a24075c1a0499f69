from django.db import migrations, models

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("listening", "0004_change")]
    operations = [
        migrations.AddField("Author", "rank", models.IntegerField(default=1)),
        migrations.CreateModel(
            "Reply",
            fields=[
                ("id", ID),
                ("note", models.ForeignKey(on_delete=models.CASCADE, to="listening.note")),
                ("readers", models.ManyToManyField(to="listening.author")),
            ],
        ),
    ]
