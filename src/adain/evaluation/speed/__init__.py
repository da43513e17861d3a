"""Measuring: floors, stages, candidates, memory and what is printed of them. The command is ``cli/bench.py``."""
