from django.db import migrations, models

import listening.fields

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Author", fields=[("id", ID), ("name", models.CharField(max_length=50))]),
        migrations.CreateModel(
            "Note",
            fields=[
                ("id", ID),
                ("author", models.ForeignKey(on_delete=models.CASCADE, to="listening.author")),
                ("text", models.CharField(max_length=100)),
                ("mark", listening.fields.MarkedField(default="", max_length=200)),
                ("written", models.DateField(auto_now_add=True)),
            ],
        ),
    ]
