"""What a device says: vocabulary, profiles, codec, read planning, lines and captures.

Knows no plant, broker, database or site configuration.
"""
