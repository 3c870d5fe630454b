"""Hours, shifts, days and months, and virtual accounts: all added up from the interval records in the store."""
