"""The commands of `cxr`, one module for each audience. They are thin: they ask the services and print."""
