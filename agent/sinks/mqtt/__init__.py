"""MQTT: records and retained messages to a broker, each acknowledged with its reason code looked at.

Topics are `{root}/{site}/{area}/{device}/{class}` and `{root}/{site}/agent/{class}`. Records are never retained,
so that an old one delivered late cannot stand where a new one belongs: what is retained comes from the board.
An alarm record goes to the topic of its alarm, `…/alarm/{name}`, beside the retained message of the same name.
"""

from agent.sinks.mqtt.sink import MqttSink

__all__ = ["MqttSink"]
