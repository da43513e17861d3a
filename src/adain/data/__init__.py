"""Pictures: decoding, sources and the pairing data module. Nothing here knows a model.

Pictures are RGB, ``N x 3 x H x W``; float32 in [0, 1] for networks, uint8 on their way from loader workers.
"""
