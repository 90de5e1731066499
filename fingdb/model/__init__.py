"""The records that every room fills and every renderer prints.

Plain dataclasses without behaviour. This room imports nothing of the project, so that
a script may use the records without a debugger.
"""
