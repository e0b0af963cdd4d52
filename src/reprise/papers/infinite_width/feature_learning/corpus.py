r"""A synthetic corpus with planted analogies, in place of text8.

Words of a grid have a concept and a form, as *Paris, France* and *Rome, Italy* do: concepts are the rows, forms the columns.
A grid word is surrounded by words that go with its concept, by words that go with its form, and by filler whose frequencies
fall as in natural text. Nothing else connects two grid words, so `a is to b as c is to d` can be answered only by who
stands beside whom.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int


class Plan(NamedTuple):
    """Sizes of the vocabulary and the make-up of a sentence.

    Attributes:
        concepts: rows of the grid.
        forms: columns of the grid.
        concept_words: context words that go with one concept.
        form_words: context words that go with one form.
        filler: words without a meaning.
        of_concept: words in a sentence that go with the concept.
        of_form: words in a sentence that go with the form.
        of_filler: filler words in a sentence.
    """

    concepts: int = 12
    forms: int = 3
    concept_words: int = 3
    form_words: int = 6
    filler: int = 30
    of_concept: int = 2
    of_form: int = 2
    of_filler: int = 3

    @property
    def grid(self) -> int:
        """Number of grid words; they come first in the vocabulary, row by row."""
        return self.concepts * self.forms

    @property
    def vocabulary(self) -> int:
        """Number of words."""
        return self.grid + self.concepts * self.concept_words + self.forms * self.form_words + self.filler

    @property
    def length(self) -> int:
        """Words in a sentence."""
        return 1 + self.of_concept + self.of_form + self.of_filler

    def word(self, concept: np.ndarray, form: np.ndarray) -> np.ndarray:
        """Number of a grid word."""
        return concept * self.forms + form


def sentences(plan: Plan, count: int, *, seed: int) -> Int[np.ndarray, "sentences length"]:
    """Sentences as rows of word numbers, each in random order."""
    rng = np.random.default_rng([seed, 31])
    concept, form = rng.integers(plan.concepts, size=count), rng.integers(plan.forms, size=count)
    first_concept_word = plan.grid
    first_form_word = first_concept_word + plan.concepts * plan.concept_words
    first_filler = first_form_word + plan.forms * plan.form_words
    topical = rng.integers(plan.concept_words, size=(count, plan.of_concept))
    formal = rng.integers(plan.form_words, size=(count, plan.of_form))
    frequency = 1.0 / (np.arange(plan.filler) + 2.0)
    filler = rng.choice(plan.filler, size=(count, plan.of_filler), p=frequency / frequency.sum())
    words = np.concatenate(
        [
            plan.word(concept, form)[:, None],
            first_concept_word + concept[:, None] * plan.concept_words + topical,
            first_form_word + form[:, None] * plan.form_words + formal,
            first_filler + filler,
        ],
        axis=1,
    )
    return np.asarray(rng.permuted(words, axis=1))


def shuffled(words: Int[np.ndarray, "sentences length"], *, seed: int) -> Int[np.ndarray, "sentences length"]:
    """The same words with the same frequencies, in an order that says nothing."""
    rng = np.random.default_rng([seed, 37])
    return np.asarray(rng.permutation(words.ravel()).reshape(words.shape))


class Examples(NamedTuple):
    """CBOW examples: a word and the mean of the words within a window around it.

    Attributes:
        target: word to be predicted, (examples,).
        context: words around it, padded by the vocabulary's size, (examples, 2 * window).
    """

    target: Int[np.ndarray, " examples"]
    context: Int[np.ndarray, "examples around"]


def examples(words: Int[np.ndarray, "sentences length"], *, window: int, vocabulary: int, seed: int) -> Examples:
    """Every word with its context, in random order; as in word2vec the window shrinks at random."""
    rng = np.random.default_rng([seed, 41])
    count, length = words.shape
    reach = rng.integers(1, window + 1, size=(count, length, 1))
    offsets = np.concatenate([np.arange(-window, 0), np.arange(1, window + 1)])
    place = np.arange(length)[:, None] + offsets
    inside = (place >= 0) & (place < length)
    around = np.where(inside, words[:, np.clip(place, 0, length - 1)], vocabulary)
    around = np.where(np.abs(offsets) <= reach, around, vocabulary)
    order = rng.permutation(count * length)
    return Examples(words.ravel()[order], around.reshape(count * length, -1)[order])
