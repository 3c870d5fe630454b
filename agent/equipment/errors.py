"""Why a figure of equipment cannot be worked out."""


class NoFigureError(Exception):
    """Raised when the inputs are there, but give no figure, such as an efficiency of a boiler that is off."""
