"""From amounts to energy, standard coal and CO2, with every factor sourced and dated."""
