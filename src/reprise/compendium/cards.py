"""A paper's card: what it is, what it claims, how each claim is judged, with which parameters.

Cards are strict YAML: an unknown key, a claim without a control or a figure without alt text is refused with the
place in the file where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from reprise.compendium import parameters as params
from reprise.compendium import paths
from reprise.compendium.criteria import Criterion
from reprise.compendium.errors import CardError, ParameterError, RepriseError, suggest

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
ProfileName = Literal["quick", "standard", "full"]
Topic = Literal[
    "infinite_width",
    "kernels_and_features",
    "sample_complexity",
    "clusters_graphs_manifolds",
    "training_and_architectures",
    "generation_and_shift",
]
TOPIC_TITLES: dict[str, str] = {
    "infinite_width": "Infinite width",
    "kernels_and_features": "Kernels and features",
    "sample_complexity": "Sample complexity",
    "clusters_graphs_manifolds": "Clusters, graphs, manifolds",
    "training_and_architectures": "Training and architectures",
    "generation_and_shift": "Generation and shift",
}
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Code(_Strict):
    """The authors' code."""

    url: Text
    licence: Text


class Related(_Strict):
    """A neighbouring paper of the book and, in one sentence, what connects them."""

    slug: Text
    how: Text


class Reported(_Strict):
    """What the paper itself reports; ``verified`` only if it was read off the paper."""

    text: Text
    verified: bool


class Control(_Strict):
    """The same measurement where the claim is known to be false; it must fail the check."""

    name: Text
    why: Text


class Changed(_Strict):
    """An earlier criterion that proved wrong, kept with the reason."""

    criterion: Criterion
    reason: Text


class Check(_Strict):
    """One measured quantity, its criterion, and the control that must fail it; ``timed`` if it depends on a clock."""

    name: Text
    quantity: Text
    criterion: Criterion
    control: Control
    weaker: Criterion | None = None
    profile: ProfileName | None = None
    changed: Changed | None = None
    timed: bool = False


class Claim(_Strict):
    """One claim of the paper; ``profile`` is the lowest at which it can be judged."""

    id: Annotated[str, StringConstraints(pattern=r"^C\d+[a-z]?$")]
    title: Text
    statement: Text
    where: Text
    reported: Reported
    profile: ProfileName = "quick"
    checks: list[Check] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Claim:
        _no_twins(f"checks of {self.id}", (c.name for c in self.checks))
        return self

    def check(self, name: str) -> Check:
        """The check of that name.

        Raises:
            RepriseError: there is none.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise RepriseError(f"unknown check '{name}' of claim {self.id}; {suggest(name, (c.name for c in self.checks))}")


class Figure(_Strict):
    """A figure: title, the point that it makes, and what a sighted reader would conclude."""

    id: Annotated[str, StringConstraints(pattern=r"^F\d+[a-z]?$")]
    title: Text
    caption: Text
    alt: Text
    claims: list[str] = Field(default_factory=list)


class Profile(_Strict):
    """A named set of parameter values: its cost, its data, and what it stands in for."""

    minutes: float = Field(gt=0)
    values: dict[str, Any]
    datasets: list[str] = Field(default_factory=list)
    stands_in_for: Text


class Profiles(_Strict):
    """The three profiles that every paper has."""

    quick: Profile
    standard: Profile
    full: Profile


class Sentence(_Strict):
    """One asserting sentence of the abstract, paraphrased: the claims that cover it, or why none does."""

    sentence: Text
    claims: list[str] = Field(default_factory=list)
    left_out: Text | None = None

    @model_validator(mode="after")
    def _accounted_for(self) -> Sentence:
        if bool(self.claims) == (self.left_out is not None):
            raise ValueError("give either the claims that cover the sentence or the reason in left_out")
        return self


class Card(_Strict):
    """A paper's card. See the book's page on adding a paper for an annotated example."""

    schema_: Literal[1] = Field(alias="schema")
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    authors: list[Text] = Field(min_length=1)
    year: int = Field(ge=1900, le=2100)
    venue: Text
    arxiv: Annotated[str, StringConstraints(pattern=r"^\d{4}\.\d{4,5}$|^[a-z-]+/\d{7}$")] | None
    doi: Annotated[str, StringConstraints(pattern=r"^10\.\d{4,}/\S+$")] | None
    code: Code | None
    topic: Topic
    summary: Text
    finding: Text
    lead_figure: str
    related: list[Related] = Field(default_factory=list)
    parameters: dict[str, params.Parameter] = Field(min_length=1)
    profiles: Profiles
    abstract: list[Sentence] = Field(min_length=1)
    claims: list[Claim] = Field(min_length=1)
    figures: list[Figure] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        claim_ids, figure_ids = [c.id for c in self.claims], [f.id for f in self.figures]
        _no_twins("claims", claim_ids)
        _no_twins("figures", figure_ids)
        if self.lead_figure not in figure_ids:
            raise ValueError(f"lead_figure '{self.lead_figure}': {suggest(self.lead_figure, figure_ids)}")
        for holder, named in [
            *((f"figure {f.id}", f.claims) for f in self.figures),
            *((f"abstract sentence {i + 1}", s.claims) for i, s in enumerate(self.abstract)),
        ]:
            for claim in named:
                if claim not in claim_ids:
                    raise ValueError(f"{holder} names the unknown claim '{claim}'; {suggest(claim, claim_ids)}")
        for name in self.parameters:
            if not name.isidentifier():
                raise ValueError(f"parameter '{name}' is no Python name")
        for name in paths.PROFILES:
            try:
                self.values(name)
            except ParameterError as error:
                raise ValueError(f"profile {name}: {error}") from None
        for key in PLACEHOLDER.findall(self.finding):
            self._check_placeholder(key, claim_ids)
        return self

    def _check_placeholder(self, key: str, claim_ids: list[str]) -> None:
        if key.startswith("p."):
            if key[2:] not in self.parameters:
                raise ValueError(
                    f"finding names the unknown parameter '{key[2:]}'; {suggest(key[2:], self.parameters)}"
                )
            return
        claim_id, _, rest = key.partition("/")
        if claim_id not in claim_ids:
            raise ValueError(f"finding names the unknown claim '{claim_id}'; {suggest(claim_id, claim_ids)}")
        if rest:
            check, _, part = rest.partition(":")
            try:
                self.claim(claim_id).check(check)
            except RepriseError as error:
                raise ValueError(f"finding: {error}") from None
            if part not in ("", "value", "control", "verdict"):
                raise ValueError(f"finding: '{{{key}}}' must end in :value, :control, :verdict or nothing")

    @property
    def path(self) -> Path:
        """Where the card lies."""
        return paths.root() / "notebooks" / self.topic / f"{self.slug}.yml"

    @property
    def notebook(self) -> Path:
        """Where its notebook lies."""
        return self.path.with_suffix(".ipynb")

    @property
    def module(self) -> str:
        """The dotted name of the paper's module."""
        return f"reprise.papers.{self.topic}.{self.slug.replace('-', '_')}"

    def claim(self, claim_id: str) -> Claim:
        """The claim of that id.

        Raises:
            RepriseError: there is none.
        """
        for claim in self.claims:
            if claim.id == claim_id:
                return claim
        raise RepriseError(
            f"unknown claim '{claim_id}' of {self.slug}; {suggest(claim_id, [c.id for c in self.claims])}"
        )

    def figure(self, figure_id: str) -> Figure:
        """The figure of that id.

        Raises:
            RepriseError: there is none.
        """
        for figure in self.figures:
            if figure.id == figure_id:
                return figure
        raise RepriseError(
            f"unknown figure '{figure_id}' of {self.slug}; {suggest(figure_id, [f.id for f in self.figures])}"
        )

    def profile(self, name: str) -> Profile:
        """The profile of that name.

        Raises:
            ParameterError: there is none.
        """
        if name not in paths.PROFILES:
            raise ParameterError(f"unknown profile '{name}'; {suggest(name, paths.PROFILES)}")
        profile: Profile = getattr(self.profiles, name)
        return profile

    def values(self, profile: str, overrides: dict[str, Any] | None = None) -> dict[str, params.Value]:
        """The checked parameter values of a profile, some of them overridden.

        Raises:
            ParameterError: unknown profile or parameter, wrong type, out of bounds.
        """
        given = {**self.profile(profile).values, **(overrides or {})}
        return params.check_all(self.slug, self.parameters, given)


_MODELS = (
    Card,
    Claim,
    Check,
    Control,
    Changed,
    Reported,
    Figure,
    Profile,
    Profiles,
    Sentence,
    Related,
    Code,
    params.Parameter,
)


def load_card(path: Path) -> Card:
    """Read one card.

    Raises:
        CardError: unreadable, not YAML, or against the rules; names the file and the place in it.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506 (a safe loader)
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"cannot read the card {path}: {error}") from None
    except yaml.YAMLError as error:
        raise CardError(f"{path} is not valid YAML: {error}") from None
    try:
        card = Card.model_validate(data)
    except ValidationError as error:
        raise CardError(f"{path}:\n" + "\n".join(_explain(e) for e in error.errors())) from None
    if card.slug != path.stem or card.topic != path.parent.name:
        raise CardError(
            f"{path} says slug {card.slug} and topic {card.topic}, so it must be notebooks/{card.topic}/{card.slug}.yml"
        )
    return card


def discover(root: Path | None = None) -> list[Card]:
    """All cards of the compendium, by topic in the book's order, then year and slug.

    Raises:
        CardError: one of them is broken, or two have one slug.
    """
    folder = (root or paths.root()) / "notebooks"
    cards = [load_card(path) for path in sorted(folder.glob("*/*.yml"))]
    seen: dict[str, Card] = {}
    for card in cards:
        if card.slug in seen:
            raise CardError(f"two cards have the slug {card.slug}: {seen[card.slug].topic} and {card.topic}")
        seen[card.slug] = card
    topics = list(TOPIC_TITLES)
    return sorted(cards, key=lambda c: (topics.index(c.topic), c.year, c.slug))


def find(slug: str) -> Card:
    """The card of one paper; reads no other card.

    Raises:
        RepriseError: there is no such paper.
        CardError: its card is broken.
    """
    found = sorted((paths.root() / "notebooks").glob("*/*.yml"))
    for path in found:
        if path.stem == slug:
            return load_card(path)
    raise RepriseError(f"unknown paper '{slug}'; {suggest(slug, (p.stem for p in found))}")


def _no_twins(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what}: '{name}' stands twice")
        seen.add(name)


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "card"
    if error["type"] == "extra_forbidden":
        known = {name for model in _MODELS for name in model.model_fields}
        return f"  {place}: unknown key; {suggest(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"  {place}: missing"
    return f"  {place}: {error['msg'].removeprefix('Value error, ')}"


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
