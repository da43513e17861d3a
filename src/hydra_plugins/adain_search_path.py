"""Lets any Hydra application use the configuration groups of this project, after its own."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from adain.runtime.conf import conf_dir


class AdainSearchPath(SearchPathPlugin):
    """Adds ``conf`` behind the application's own folder: the inference commands share ``encoder`` and ``logger``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder."""
        search_path.append("adain", f"file://{conf_dir()}")
