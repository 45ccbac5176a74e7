"""Labelled clips of your own: tables and folders read into rows, splits made from content, decoded clips kept."""
