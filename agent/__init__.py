"""What we do with what devices say: accounts of energy and carbon, kept and delivered."""

from importlib.metadata import version

__version__ = version("energy-agent")
