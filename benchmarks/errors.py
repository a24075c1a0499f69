"""What stops a benchmark."""


class BenchmarkError(RuntimeError):
    """A measured command failed, or did not do what was measured."""
