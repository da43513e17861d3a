"""What a user typed, composed and held against what is allowed, before torch is imported and any folder is made."""
