"""Figures of equipment: efficiency, load, losses and unit consumption by the norms, from windows and readings."""
