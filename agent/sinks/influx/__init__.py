"""InfluxDB: records as line protocol through the v2 write API, as VictoriaMetrics and InfluxDB 3 take it too."""

from agent.sinks.influx.sink import InfluxSink

__all__ = ["InfluxSink"]
