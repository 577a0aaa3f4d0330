"""What the jobs, the functions, the stacks and the commands have to agree on, each fact once.

Imports the standard library only: it travels in the jobs' source archive, in functions and in model.tar.gz.
"""
