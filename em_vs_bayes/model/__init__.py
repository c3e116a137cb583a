"""What is believed: specs, made of a latent structure, emissions, priors, and the blocks of parameters behind them."""
