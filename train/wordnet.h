// Fact verification from WordNet: the evidence is a noun synset's gloss, the claim is "it is a kind
// of Y".
//
// A claim is true if Y is the synset's hypernym. False claims come from swaps: two synsets whose
// hypernyms Y and Y' have the same parent exchange them. So each gloss appears in one true and one
// false claim, and each Y equally often in true and in false ones: evidence alone and claim alone
// say nothing (exactly 50 %). A swap is only used if the gloss overlaps with its true claim as much
// as with its false one (Y's last word, any word of Y), so the rules "the gloss contains Y" and
// "gloss and claim share a word" score 50 % too. The word that the gloss defines is not named.
// Train, validation and test come from different branches of the hypernym tree.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lait {

struct WordnetOptions {
  std::filesystem::path database = "/usr/share/wordnet";  // data.noun is read
  uint64_t seed = 1;
  int64_t train_examples = 10000, validation_examples = 2000, test_examples = 2000;  // at most
};

struct WordnetExample {
  std::string evidence, claim;
  bool supported = false;
  std::string id;            // synset offset of the gloss and of Y
  bool contains_y = false;   // the gloss contains Y's last word (plurals stripped)
  bool shares_word = false;  // the gloss contains a word of Y that is not a function word
};

struct WordnetSplits {
  std::vector<WordnetExample> train, validation, test;
};

// Deterministic in options. Throws UserError if data.noun is missing (naming the package that has
// it) or malformed.
WordnetSplits make_wordnet_examples(const WordnetOptions& options);

// The share of examples on which a rule ("supported if the flag is set") is right.
double rule_accuracy(const std::vector<WordnetExample>& examples, bool WordnetExample::*flag);

// Writes train.jsonl, validation.jsonl and test.jsonl into dir: {"segments": [evidence, claim],
// "label": "supported" | "refuted", "id": …}.
void write_wordnet_examples(const WordnetSplits& splits, const std::filesystem::path& dir);

}  // namespace lait
