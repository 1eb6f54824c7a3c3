import os

# Arrow's own allocator gives back little of what many threads have used (measured: up to a megabyte more with each
# document that is stored, without end). Looked at when Arrow is imported first, in whatever module.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
