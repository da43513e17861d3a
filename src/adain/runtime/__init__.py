"""The machine: devices, memory, precision, files, locks, downloads, optional packages. Nothing here knows a picture."""
