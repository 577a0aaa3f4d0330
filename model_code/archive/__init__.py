"""Layout of an uploaded archive: which entry is a radiograph of which split and class, by folders or by a table.

Imports the standard library, `contract` and the words for views in `dicom` only: functions and commands judge archives
by it, and jobs read them by it.
"""
