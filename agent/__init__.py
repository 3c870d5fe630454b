"""What we do with what devices say: accounts of energy and carbon, kept and delivered."""

__version__ = "0.1.0"
