#include "train/wordnet_nouns.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/shown_text.h"

namespace lait {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// The definition of a gloss: the text before the first example in quotes.
std::string definition_of(const std::string& gloss) {
  size_t end = gloss.size();
  for (const char* mark : {"; \"", ": \""}) end = std::min(end, gloss.find(mark));
  std::string out = gloss.substr(0, end);
  out.erase(out.find_last_not_of(' ') + 1);
  out.erase(0, out.find_first_not_of(' '));
  return out;
}

// Recursion over the synsets would not end in a cycle.
void refuse_cycles(const std::vector<Synset>& synsets, const std::filesystem::path& file) {
  std::vector<std::vector<int32_t>> below(synsets.size());
  std::vector<size_t> open(synsets.size());  // hypernyms not yet reached
  std::vector<int32_t> reached;
  for (size_t s = 0; s < synsets.size(); ++s) {
    open[s] = synsets[s].hypernyms.size();
    if (open[s] == 0) reached.push_back(static_cast<int32_t>(s));
    for (const int32_t h : synsets[s].hypernyms)
      below[static_cast<size_t>(h)].push_back(static_cast<int32_t>(s));
  }
  for (size_t i = 0; i < reached.size(); ++i) {
    for (const int32_t s : below[static_cast<size_t>(reached[i])]) {
      if (--open[static_cast<size_t>(s)] == 0) reached.push_back(s);
    }
  }
  const auto left = std::ranges::find_if(open, [](size_t n) { return n > 0; });
  if (left == open.end()) return;
  throw UserError(file.string() + ": expected hypernyms without cycles, got one above synset " +
                  shown(synsets[static_cast<size_t>(left - open.begin())].offset));
}

}  // namespace

std::vector<Synset> read_nouns(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "data.noun";
  if (!std::filesystem::exists(file)) {
    throw UserError(file.string() +
                    ": expected WordNet's noun database, got none; install it (apt-get install "
                    "wordnet-base) or pass --wordnet DIR");
  }
  std::vector<Synset> synsets;
  std::unordered_map<std::string, int32_t> index;
  std::vector<std::vector<std::string>> hypernyms;
  LineReader reader(file);
  while (const auto line = reader.next()) {
    if (line->starts_with(' ')) continue;  // the licence
    const size_t bar = line->find(" | ");
    const std::vector<std::string> f = split(line->substr(0, bar), ' ');
    auto malformed = [&]() -> UserError {
      return UserError(reader.where() +
                       ": expected a line of WordNet's data.noun, got something else");
    };
    auto number = [&](size_t i, int base) {
      size_t value = 0;
      if (i >= f.size() ||
          std::from_chars(f[i].data(), f[i].data() + f[i].size(), value, base).ec != std::errc())
        throw malformed();
      return value;
    };
    if (bar == std::string::npos || f.size() < 6) throw malformed();
    Synset synset;
    synset.offset = f[0];
    const size_t num_lemmas = number(3, 16);
    if (num_lemmas == 0 || num_lemmas > f.size()) throw malformed();
    const size_t pointers = 4 + 2 * num_lemmas, num_pointers = number(pointers, 10);
    if (num_pointers > f.size() || f.size() < pointers + 1 + 4 * num_pointers) throw malformed();
    for (size_t i = 0; i < num_lemmas; ++i) {
      std::string lemma = f[4 + 2 * i];
      std::ranges::replace(lemma, '_', ' ');
      synset.lemmas.push_back(lemma);
    }
    std::vector<std::string> above;
    for (size_t i = 0; i < num_pointers; ++i) {
      const std::string& symbol = f[pointers + 1 + 4 * i];
      if (symbol == "@") above.push_back(f[pointers + 2 + 4 * i]);
      if (symbol == "@i") synset.instance = true;
    }
    synset.definition = definition_of(line->substr(bar + 3));
    index[synset.offset] = static_cast<int32_t>(synsets.size());
    synsets.push_back(std::move(synset));
    hypernyms.push_back(std::move(above));
  }
  for (size_t s = 0; s < synsets.size(); ++s) {
    for (const std::string& offset : hypernyms[s]) {
      const auto found = index.find(offset);
      if (found == index.end())
        throw UserError(file.string() + ": synset " + shown(synsets[s].offset) + " points to " +
                        shown(offset) + ", which does not exist");
      synsets[s].hypernyms.push_back(found->second);
    }
    if (!synsets[s].hypernyms.empty())
      synsets[static_cast<size_t>(synsets[s].parent())].children.push_back(static_cast<int32_t>(s));
  }
  refuse_cycles(synsets, file);
  return synsets;
}

}  // namespace lait
