"""The networks: encoder, decoder and their weights."""
