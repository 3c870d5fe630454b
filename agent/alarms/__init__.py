"""Alarms: what is active, since when, and how receivers are told."""
