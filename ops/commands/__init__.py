"""The commands of `cxr`, one module for each audience. They only call the other folders of `ops` and print."""
