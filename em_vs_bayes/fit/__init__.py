"""What a method left, a frozen record, and what can be asked of it: errors, states, predictions, residuals, files."""
