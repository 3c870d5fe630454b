"""Early warning: conditions on readings, figures and budgets that somebody must know of."""
