class Speaking:
    """A base that is no model."""

    def speak(self):
        """What it says."""
        return f"{type(self).__name__} {self.pk}"
