"""Polling: one task per line reads every device of it when it is due, and what is concluded from the answers."""
