"""Files of an archive behind one interface, whether it is a zip archive or an inventory of a bucket's objects."""
