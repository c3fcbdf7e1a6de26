// WordNet's noun database (data.noun, see wndb(5)) as a list of synsets: what the fact verification data is made of.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lait {

struct Synset {
  std::string offset;
  std::vector<std::string> lemmas;  // at least one, blanks between the words of a lemma
  std::vector<int32_t> hypernyms;   // indices
  std::vector<int32_t> children;    // synsets whose first hypernym this is
  bool instance = false;            // of a class ("Paris"), not a kind
  std::string definition;           // the gloss up to its first example in quotes
  int32_t branch = -1;  // the synset at whose head it is cut off, see wordnet.cpp; -1: none
  int32_t parent() const { return hypernyms.empty() ? -1 : hypernyms[0]; }
};

// Reads folder/data.noun. The hypernyms lead up without a circle. Throws UserError: the file is missing (with the package that
// has it) or malformed.
std::vector<Synset> read_nouns(const std::filesystem::path& folder);

}  // namespace lait
