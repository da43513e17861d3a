"""One thin Hydra application per command. Nothing heavy is imported before the configuration is known to be right."""
