"""Between the words of ``make stylize`` and the systems: inputs found, outputs named and kept, grids, pipes, videos."""
