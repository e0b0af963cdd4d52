"""The runtime type checker of `typechecked`: beartype, for which an int is a float as for other type checkers."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
