from django.db import models


class Counting(models.Manager):
    """Goes into the migrations; counts in its own database and schema."""

    use_in_migrations = True

    def numbered(self, text):
        """A new row with the number of rows so far."""
        return self.create(text=text, number=self.count())
