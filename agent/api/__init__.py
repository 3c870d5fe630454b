"""The local HTTP API: state, health, metrics, intervals and what happens, from the running agent. It only reads."""
