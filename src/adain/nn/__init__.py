"""The networks: encoder, decoder, their weights."""
