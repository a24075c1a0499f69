"""Side-by-side measurements of a release: ``make benchmark``."""
