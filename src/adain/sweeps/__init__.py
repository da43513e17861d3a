"""Sweeps: what is swept, what came of it, and the page that shows it."""
