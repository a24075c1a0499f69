from django.db import migrations

from driver.migrations import __name__ as package

copy = __import__(f"{package}.0002_copy", fromlist=["copy"]).copy


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("driver", "0004_call")]
    operations = [migrations.RunPython(copy)]
