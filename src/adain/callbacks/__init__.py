"""What is shown, kept and guarded while a method trains. Nothing here knows a loss."""
