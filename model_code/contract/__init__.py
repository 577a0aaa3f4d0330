"""Contract of jobs, functions, stacks and commands: labels, parameters, metrics, documents; each fact once.

Imports the standard library only: it travels in the jobs' source archive, in functions and in model.tar.gz.
"""
