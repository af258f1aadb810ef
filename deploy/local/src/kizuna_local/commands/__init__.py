"""One module per command: its docstring's first line is the help, `add_arguments` and `run` are called by __main__."""
