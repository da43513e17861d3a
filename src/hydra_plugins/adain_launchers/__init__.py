"""Launchers that Hydra finds by their namespace, ``hydra_plugins``."""
