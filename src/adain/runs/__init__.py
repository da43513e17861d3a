"""A training as a run: since when, in which folder, alone there, gone on with, in several processes, and what it leaves."""
