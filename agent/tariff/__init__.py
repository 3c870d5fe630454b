"""What electricity costs: periods of the day, prices, demand and power factor, and the bill of a month so far."""
