"""The systems of the paper, one file each, on one interface: ``encode_style`` and ``stylize``."""
