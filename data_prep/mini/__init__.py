"""A small corpus of real speech and its fakes, made from packages."""
