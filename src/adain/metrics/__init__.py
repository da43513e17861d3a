"""Figures of outputs: torchmetrics classes over pure functions."""
