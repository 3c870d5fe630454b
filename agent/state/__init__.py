"""How the running agent is: part by part as JSON-able figures, all of it together, and as Prometheus reads it."""
