"""The registry of data sets: plain data in YAML files beside this module, read into strict models.

To add a set, add an entry to one of the YAML files (or a new file) and, if its format is new, a module in
:mod:`reprise.datasets.readers`.
"""

from reprise.datasets.registry.models import Entry, File, Image, Table
from reprise.datasets.registry.read import entries, find, names

__all__ = ["Entry", "File", "Image", "Table", "entries", "find", "names"]
