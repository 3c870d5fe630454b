"""A capture served as live devices: what was on the lines then, for any Modbus client now."""
