"""The web page of ``make demo``."""
