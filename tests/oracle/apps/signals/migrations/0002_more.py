from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("signals", "0001_initial")]
    operations = [migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))])]
