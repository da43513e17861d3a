"""An evaluation: which pairs, each pair's figures kept as they come, and what is made of them in the end."""
