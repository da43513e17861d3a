"""The mathematics of style transfer as pure tensor functions."""
