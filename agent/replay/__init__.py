"""Captures replayed: the same code as in a running agent from the exchanges on, with a shelf in place of the store."""
