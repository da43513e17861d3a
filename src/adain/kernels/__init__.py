"""Fast forms of plain operations, chosen here and tested against the plain ones."""
