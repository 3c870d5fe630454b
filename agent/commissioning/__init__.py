"""Getting to know a device on a line: pure judgements about registers, and the few requests they need."""
