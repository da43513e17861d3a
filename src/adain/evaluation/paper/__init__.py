"""The paper's comparison: its table and figures over all four systems. The command is ``cli/compare.py``."""
