"""Amounts: from counter readings to booked deltas, rolling windows and closed intervals; pure, no input or output."""
