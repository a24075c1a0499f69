from django.db import models
from django.db.models import signals


class MarkedField(models.CharField):
    """Connects a method of its own to a signal of its model, as fields of images and of workflows do."""

    def contribute_to_class(self, cls, name, **more):
        super().contribute_to_class(cls, name, **more)
        signals.pre_save.connect(self.mark, sender=cls)

    def mark(self, instance, **_):
        fields = ",".join(field.name for field in instance._meta.get_fields())
        setattr(instance, self.attname, f"{getattr(instance, self.attname)}! {fields}")
