"""Pictures: decoding, sources and the pairing data module. Nothing here knows a model."""
