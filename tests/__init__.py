"""The tests, as a package: neural-tangents installs one of the same name, which must not be found in its place."""
