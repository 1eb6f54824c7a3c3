"""How good answers are: their evidence, measured without a model that writes."""
