"""The commands: one module each, and the rooms that they share."""
