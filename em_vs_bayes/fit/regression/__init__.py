"""What is asked of one censored or truncated regression once it is fitted: expectations, effects, errors, residuals."""
