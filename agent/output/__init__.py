"""Outputs that no device counts: told by another system over MQTT, or entered by people."""
