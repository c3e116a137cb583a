"""What every room uses: the contract, checks of arguments, statuses, words, progress, files. It knows no model."""
