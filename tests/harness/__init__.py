"""What the Python tests share: a private PostgreSQL, stacks of real processes, an HTTP client, the hostile peer.

Nothing here knows the product's code; it starts the programs of the build directory and speaks HTTP and SQL to them.
"""
