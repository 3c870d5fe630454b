"""A line that misbehaves on command, and registers that tell whose they are."""
