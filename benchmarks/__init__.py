"""Side-by-side runs against other libraries: same process, one thread, same data, same starts. `python -m benchmarks`."""
