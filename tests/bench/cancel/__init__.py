"""How many tokens the model still computes for an answer that nobody wants any more."""
