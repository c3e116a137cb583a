"""Data as people have them, read and checked: arrays, frames, sequences, dates, the data sets that come along."""
