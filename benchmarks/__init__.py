"""Side-by-side runs against other libraries: one process, one thread, same data, same starts."""
