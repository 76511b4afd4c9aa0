"""Readers of the data sets that the field trains on, as they are downloaded, into one neutral form and two files."""
