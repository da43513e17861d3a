"""Whole data sets: every picture of a folder in a random style, in shards, on one machine or on a Ray cluster."""
