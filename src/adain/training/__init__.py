"""How a run lives: callbacks, its folder, resuming, ranks."""
