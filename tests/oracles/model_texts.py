"""Real texts for the parity oracles: WordNet's glosses and examples, in pairs and tuples.

Lengths are mixed. Everything comes from Debian's wordnet-base (no other data is needed), in an
order fixed by a seed.
"""
import random
import re

WORDNET = "/usr/share/wordnet"


def glosses(parts=("noun", "verb", "adj")):
    """[(lemma, gloss with its examples)] in the files' order."""
    found = []
    for part in parts:
        with open(f"{WORDNET}/data.{part}", encoding="utf-8") as file:
            for line in file:
                if line.startswith("  "):  # the licence at the head
                    continue
                fields, gloss = line.rstrip().split(" | ", 1)
                lemma = re.sub(r"\(\w+\)$", "", fields.split(" ")[4]).replace("_", " ")
                found.append((lemma, gloss.strip()))
    return found


class Texts:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.glosses = glosses()

    def gloss(self):
        return self.random.choice(self.glosses)[1]

    def claim(self):
        return f"it is a kind of {self.random.choice(self.glosses)[0]}"

    def joined(self, num_words):
        """num_words words, from as many glosses as that takes."""
        words = []
        while len(words) < num_words:
            words += self.gloss().split()
        return " ".join(words[:num_words])

    def short(self):
        return self.random.choice(["a", "?", "it", self.random.choice(self.glosses)[0], "no."])

    def pairs(self, num_pairs):
        """Mixed lengths. The first dozen are corner cases: empty, one word, 200 or 512 tokens."""
        pairs = [("a", "b"), (self.gloss(), ""), ("", self.claim()),
                 (self.short(), self.joined(230)),
                 (self.joined(200), self.joined(210)), (self.joined(600), self.claim()),
                 (self.claim(), self.joined(600)), (self.joined(500), self.joined(480)),
                 (self.joined(480), self.joined(500)), (self.joined(250), self.joined(400)),
                 (self.joined(400), self.joined(250)), (self.joined(700), self.joined(700))]
        makers = [lambda: (self.gloss(), self.claim()), lambda: (self.gloss(), self.gloss()),
                  lambda: (self.short(), self.gloss()), lambda: (self.gloss(), self.short()),
                  lambda: (self.claim(), self.claim()),
                  lambda: (self.joined(self.random.randint(40, 120)), self.claim())]
        while len(pairs) < num_pairs:
            pairs.append(makers[len(pairs) % len(makers)]())
        return pairs[:num_pairs]

    def small_pairs(self, num_pairs):
        """The same corner cases without the texts that are too long, except for one."""
        pairs = self.pairs(12)
        return (pairs[:6] + self.pairs(12 + num_pairs)[12:])[:num_pairs]
