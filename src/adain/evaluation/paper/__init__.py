"""The paper's comparison: its table and figures over all four systems. The command is ``commands/compare.py``."""
