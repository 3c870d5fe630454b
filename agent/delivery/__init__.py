"""From the store to the receivers, whoever they are: what a sink is comes from `agent.sinks`."""
