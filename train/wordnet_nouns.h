// WordNet's noun database (data.noun, see wndb(5)) as a list of synsets, the source of the fact
// verification data.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lait {

struct Synset {
  std::string offset;
  std::vector<std::string> lemmas;  // at least one; spaces between the words of a lemma
  std::vector<int32_t> hypernyms;   // indices
  std::vector<int32_t> children;    // synsets whose first hypernym this is
  bool instance = false;            // an instance ("Paris"), not a kind
  std::string definition;           // the gloss up to its first example in quotes
  int32_t branch = -1;              // the root of its branch, see wordnet.cpp; -1: none
  int32_t parent() const { return hypernyms.empty() ? -1 : hypernyms[0]; }
};

// Reads folder/data.noun. The hypernyms have no cycles. Throws UserError if the file is missing
// (naming the package that has it) or malformed.
std::vector<Synset> read_nouns(const std::filesystem::path& folder);

}  // namespace lait
