"""
An offline stand-in for payment providers.

It shares no code with the module that it helps to test: what it says about a
message comes from Python and the cryptography package alone.
"""
