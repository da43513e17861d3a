"""Fast versions of plain torch operations, selected by device and tested against the plain ones."""
