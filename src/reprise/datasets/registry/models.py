"""What the registry knows about a data set and its files."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
_BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://\S+/$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?$")]
_Part = Literal["train", "test", "all", "extra"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Strict):
    """One file of a data set.

    Attributes:
        name: its name, under which it lies in the set's folder.
        part: what it is for: ``train``, ``test``, ``all`` (both), or ``extra`` (not needed to load the set).
        sha256: its checksum, which decides.
        bytes: its size, if known.
        md5: the checksum that the authors published, if they did.
        urls: full addresses that come before those of the set.
    """

    name: str
    part: _Part = "all"
    sha256: _Sha256
    bytes: int | None = Field(default=None, gt=0)
    md5: _Md5 | None = None
    urls: list[_Url] = []

    @model_validator(mode="after")
    def _plain_name(self) -> File:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._ -]*", self.name):
            raise ValueError(f"'{self.name}' is not a plain file name")
        return self


class Image(_Strict):
    """The shape of one image and the value of a full pixel."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    maximum: float = Field(gt=0)


class Table(_Strict):
    """A table of numbers: its number of rows, and the input columns that the group convention leaves out."""

    rows: int = Field(gt=0)
    drop: list[int] = []


class Entry(_Strict):
    """A data set.

    Attributes:
        name: how it is called in :func:`reprise.datasets.load`.
        aliases: other names for the same set.
        title: what it is, for people.
        task: what it is for: classification or regression.
        reader: the module of :mod:`reprise.datasets.readers` that reads it.
        folder: where its files lie, below ``REPRISE_DATA_DIR`` and below the cache; ``None`` without files.
        addresses: official address first, then mirrors; a file's name is appended.
        files: its files; none for a set that comes with scikit-learn or is generated.
        files_from: a JSON file beside the registry (path to checksum and size) that gives the files of ``folder``.
        classes: the names of the classes, in the order of the labels.
        image: shape of an image, where the reader cannot know it.
        table: rows and columns of a table of numbers.
        sha256: for a bundled set, the checksum over its arrays.
        licence: terms of use.
        paper: what to cite.
        homepage: where a person reads about it, if there is such a place.
        notes: what a user must know.
        stand_in: for a small set, what it replaces, so that a page can say so.
        used_for: what it serves for, in a few words each; which papers use it is told by their cards.
    """

    name: _Name
    aliases: list[_Name] = []
    title: str
    task: Literal["classification", "regression"]
    reader: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    folder: str | None = None
    addresses: list[_BaseUrl] = []
    files: list[File] = []
    files_from: str | None = None
    classes: list[str] = []
    image: Image | None = None
    table: Table | None = None
    sha256: _Sha256 | None = None
    licence: str
    paper: str
    homepage: _Url | None = None
    notes: str = ""
    stand_in: str | None = None
    used_for: list[str] = []

    @model_validator(mode="after")
    def _files_have_a_place(self) -> Entry:
        if self.files and not self.folder:
            raise ValueError("a set with files needs a folder")
        if self.folder and re.search(r"(^|/)\.\.?(/|$)|^/|\\|/$", self.folder):
            raise ValueError(f"'{self.folder}' is not a plain relative folder")
        names = [file.name for file in self.files]
        if len(set(names)) < len(names):
            raise ValueError("two files have the same name")
        for file in self.files:
            if not self.urls(file):
                raise ValueError(f"no address for {file.name}")
        return self

    def urls(self, file: File) -> list[str]:
        """The addresses of a file, the official one first."""
        return [*file.urls, *(address + file.name.replace(" ", "%20") for address in self.addresses)]

    def file(self, name: str) -> File:
        """The file of this name.

        Raises:
            KeyError: the set has no such file.
        """
        for file in self.files:
            if file.name == name:
                return file
        raise KeyError(f"{self.name} has no file {name}")

    @property
    def bytes(self) -> int:
        """The size of all files together, as far as known."""
        return sum(file.bytes or 0 for file in self.files)

    @property
    def digest(self) -> str:
        """One SHA-256 for the whole set: that of its lines ``sha256  name``, in the order of the names.

        A bundled set has the checksum over its arrays instead.
        """
        if self.sha256 is not None:
            return self.sha256
        lines = [f"{f.sha256}  {f.name}\n" for f in sorted(self.files, key=lambda f: f.name)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The entry as plain data, with the addresses of each file written out."""
        data = self.model_dump(exclude={"files", "files_from", "addresses"}, mode="json")
        files = [{**f.model_dump(mode="json"), "urls": self.urls(f)} for f in self.files]
        return {**data, "bytes": self.bytes, "digest": self.digest, "files": files}
