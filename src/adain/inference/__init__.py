"""Using a trained decoder: pictures, videos, data sets, export."""
