"""The generator: reads source code and writes what its callables do into the database.

Sources are read as text. Nothing is imported, compiled or run.
"""
