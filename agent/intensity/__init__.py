"""What one unit of an output takes: energy, standard coal, CO2 and water, over windows, periods and years."""
