"""Corrections of what is booked: meters that were replaced, intervals weighed anew. Nothing is changed silently."""
