"""What a developer or a pipeline asks at a prompt: the `eventplane` command, a module per command.

Commands read files, ask backends and print; every decision they report is made in `planning`, by the same functions as
the operator's. Errors are one line on stderr and an exit code, never a traceback. Credentials come through the
environment, never as an argument.
"""
