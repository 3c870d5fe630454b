"""The base of all nameplates: what a plant file says about one machine, checked on entry."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from simulators.demand import DAY_HOURS

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
DayShape = Annotated[tuple[Share, ...], Field(min_length=DAY_HOURS, max_length=DAY_HOURS)]
"""One value from 0 to 1 for each hour of the day, from midnight on."""


class Rating(BaseModel):
    """A nameplate; unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
