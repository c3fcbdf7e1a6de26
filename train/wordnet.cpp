#include "train/wordnet.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "kernels/philox.h"
#include "lait/base/files.h"
#include "train/wordnet_nouns.h"

namespace lait {
namespace {

constexpr int64_t kMaxBranch = 1500;             // synsets; splits consist of whole branches
constexpr int64_t kMaxClaims = 20;               // pairs with the same Y
constexpr size_t kMinWords = 3, kMaxWords = 25;  // of a gloss

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text + " ") {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u)) {
      word += static_cast<char>(std::tolower(u));
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  return out;
}

// The singular of a plural, approximately.
std::string singular(const std::string& word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kEndings{
      {{"ies", "y"}, {"sses", "ss"}, {"ches", "ch"}, {"shes", "sh"}, {"xes", "x"}}};
  for (const auto& [plural, single] : kEndings) {
    if (word.ends_with(plural) && word.size() > plural.size() + 1)
      return word.substr(0, word.size() - plural.size()) + std::string(single);
  }
  const bool plural =
      word.size() > 3 && word.ends_with("s") && !word.ends_with("ss") && !word.ends_with("us");
  return plural ? word.substr(0, word.size() - 1) : word;
}

class Generator {
 public:
  explicit Generator(const WordnetOptions& options)
      : options_(options), synsets_(read_nouns(options.database)) {
    for (const Synset& s : synsets_) ++definitions_[s.definition];
    for (size_t s = 0; s < synsets_.size(); ++s) {
      if (synsets_[s].hypernyms.empty() && !synsets_[s].instance) cut(static_cast<int32_t>(s));
    }
  }

  WordnetSplits run() {
    find_pairs();
    // Each branch, in random order, goes to the split that is shortest relative to its share.
    std::map<int32_t, std::vector<Pair>> by_branch;
    for (const Pair& pair : pairs_) by_branch[at(pair.y).branch].push_back(pair);
    std::vector<int32_t> branches;
    branches.reserve(by_branch.size());
    for (const auto& [branch, pairs] : by_branch) branches.push_back(branch);
    shuffle(branches);
    WordnetSplits splits;
    struct Part {
      std::vector<WordnetExample>* examples;
      double wanted;
      int64_t limit;
      std::vector<Pair> pairs;
    };
    std::array<Part, 3> parts{{{&splits.train, 6, options_.train_examples, {}},
                               {&splits.validation, 1, options_.validation_examples, {}},
                               {&splits.test, 1, options_.test_examples, {}}}};
    for (const int32_t branch : branches) {
      auto& least = *std::ranges::min_element(
          parts, {}, [](const Part& p) { return static_cast<double>(p.pairs.size()) / p.wanted; });
      least.pairs.insert(least.pairs.end(), by_branch[branch].begin(), by_branch[branch].end());
    }
    for (Part& part : parts) {
      shuffle(part.pairs);
      const auto keep = std::min<size_t>(part.pairs.size(), static_cast<size_t>(part.limit / 4));
      for (size_t i = 0; i < keep; ++i) {
        const Pair& p = part.pairs[i];
        part.examples->push_back(example(p.x, p.y, true));
        part.examples->push_back(example(p.other_x, p.other_y, true));
        part.examples->push_back(example(p.x, p.other_y, false));
        part.examples->push_back(example(p.other_x, p.y, false));
      }
    }
    return splits;
  }

 private:
  struct Pair {
    int32_t x, y, other_x, other_y;
  };
  struct Overlap {
    bool last_word, any_word;
    bool operator==(const Overlap&) const = default;
  };

  const Synset& at(int32_t s) const { return synsets_[static_cast<size_t>(s)]; }

  int64_t size_of(int32_t s) {
    if (const auto found = sizes_.find(s); found != sizes_.end()) return found->second;
    int64_t size = 1;
    for (int32_t child : at(s).children) size += size_of(child);
    return sizes_[s] = size;
  }

  // Cuts the tree below s into branches of at most kMaxBranch synsets. Synsets above the branches
  // belong to none.
  void cut(int32_t s) {
    if (size_of(s) <= kMaxBranch) return mark(s, s);
    for (int32_t child : at(s).children) cut(child);
  }
  void mark(int32_t s, int32_t branch) {
    synsets_[static_cast<size_t>(s)].branch = branch;
    for (int32_t child : at(s).children) mark(child, branch);
  }

  const std::set<int32_t>& ancestors(int32_t s) {
    if (const auto found = ancestors_.find(s); found != ancestors_.end()) return found->second;
    std::set<int32_t> out;
    for (int32_t h : at(s).hypernyms) {
      out.insert(h);
      const auto& above = ancestors(h);
      out.insert(above.begin(), above.end());
    }
    return ancestors_[s] = std::move(out);
  }

  // Whether a lemma names the synset or one of its ancestors.
  bool is_named(int32_t s, const std::string& lemma) {
    auto has = [&](int32_t t) {
      return std::ranges::find(at(t).lemmas, lemma) != at(t).lemmas.end();
    };
    return has(s) || std::ranges::any_of(ancestors(s), has);
  }

  // Whether the gloss can be evidence: it defines a kind, no other gloss is equal, its length is
  // moderate, and it lies within one branch.
  bool usable(int32_t s) {
    const Synset& x = at(s);
    if (x.instance || x.hypernyms.empty() || x.branch < 0 || definitions_[x.definition] != 1)
      return false;
    const auto words = static_cast<size_t>(std::ranges::count(x.definition, ' ')) + 1;
    if (words < kMinWords || words > kMaxWords) return false;
    return std::ranges::all_of(
        ancestors(s), [&](int32_t a) { return at(a).branch < 0 || at(a).branch == x.branch; });
  }

  Overlap overlap(int32_t x, int32_t y) {
    static const std::set<std::string> kFunctionWords{
        "a",    "an",   "the",  "of", "and", "or", "in",  "to",  "for", "by",
        "with", "from", "that", "on", "at",  "as", "not", "one", "any"};
    auto& gloss = gloss_words_[x];
    if (gloss.empty()) {
      for (const std::string& word : words_of(at(x).definition)) gloss.insert(singular(word));
    }
    const auto name = words_of(at(y).lemmas[0]);
    Overlap out{!name.empty() && gloss.contains(singular(name.back())), false};
    for (const std::string& word : name)
      out.any_word |= !kFunctionWords.contains(word) && gloss.contains(singular(word));
    return out;
  }

  bool can_swap(const Pair& p) {
    const std::string &y = at(p.y).lemmas[0], &other = at(p.other_y).lemmas[0];
    return p.y != p.other_y && y != other && at(p.y).branch == at(p.other_y).branch &&
           !is_named(p.x, other) && !is_named(p.other_x, y) &&
           overlap(p.x, p.y) == overlap(p.x, p.other_y) &&
           overlap(p.other_x, p.other_y) == overlap(p.other_x, p.y);
  }

  void find_pairs() {
    std::map<int32_t, std::vector<Pair>> by_grandparent;  // x and y set
    for (int32_t s = 0; s < static_cast<int32_t>(synsets_.size()); ++s) {
      if (!usable(s)) continue;
      const int32_t y = at(s).parent();
      if (at(y).branch >= 0 && at(y).parent() >= 0)
        by_grandparent[at(y).parent()].push_back({s, y, -1, -1});
    }
    std::map<int32_t, int64_t> claims;
    for (auto& [grandparent, items] : by_grandparent) {
      shuffle(items);
      std::vector<Pair> waiting;
      for (const Pair& item : items) {
        if (claims[item.y] >= kMaxClaims) continue;
        const auto partner = std::ranges::find_if(waiting, [&](const Pair& w) {
          return claims[w.y] < kMaxClaims && can_swap({w.x, w.y, item.x, item.y});
        });
        if (partner == waiting.end()) {
          waiting.push_back(item);
          continue;
        }
        pairs_.push_back({partner->x, partner->y, item.x, item.y});
        ++claims[partner->y];
        ++claims[item.y];
        waiting.erase(partner);
      }
    }
  }

  WordnetExample example(int32_t x, int32_t y, bool supported) {
    const Overlap o = overlap(x, y);
    return {at(x).definition, "it is a kind of " + at(y).lemmas[0],
            supported,        at(x).offset + "-" + at(y).offset,
            o.last_word,      o.any_word};
  }

  template <class T>
  void shuffle(std::vector<T>& values) {
    ++shuffles_;
    for (size_t i = values.size(); i > 1; --i) {
      const auto words = kernels::philox(static_cast<uint32_t>(i), shuffles_, 0, 0,
                                         static_cast<uint32_t>(options_.seed),
                                         static_cast<uint32_t>(options_.seed >> 32));
      std::swap(values[i - 1], values[words.word[0] % i]);
    }
  }

  WordnetOptions options_;
  std::vector<Synset> synsets_;
  std::unordered_map<std::string, int> definitions_;
  std::unordered_map<int32_t, int64_t> sizes_;
  std::unordered_map<int32_t, std::set<int32_t>> ancestors_;
  std::unordered_map<int32_t, std::set<std::string>> gloss_words_;
  std::vector<Pair> pairs_;
  uint32_t shuffles_ = 0;
};

}  // namespace

WordnetSplits make_wordnet_examples(const WordnetOptions& options) {
  return Generator(options).run();
}

double rule_accuracy(const std::vector<WordnetExample>& examples, bool WordnetExample::*flag) {
  if (examples.empty()) return 0;
  const auto right = std::ranges::count_if(
      examples, [&](const WordnetExample& e) { return e.*flag == e.supported; });
  return static_cast<double>(right) / static_cast<double>(examples.size());
}

void write_wordnet_examples(const WordnetSplits& splits, const std::filesystem::path& dir) {
  const std::vector<std::pair<std::string, const std::vector<WordnetExample>*>> parts{
      {"train", &splits.train}, {"validation", &splits.validation}, {"test", &splits.test}};
  std::vector<std::string> texts;
  for (const auto& [name, examples] : parts) {
    std::string& text = texts.emplace_back();
    for (const WordnetExample& e : *examples) {
      nlohmann::ordered_json line{{"segments", {e.evidence, e.claim}},
                                  {"label", e.supported ? "supported" : "refuted"},
                                  {"id", e.id}};
      text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    }
  }
  std::vector<FileContent> files;
  for (size_t i = 0; i < parts.size(); ++i)
    files.push_back({dir / (parts[i].first + ".jsonl"), texts[i]});
  write_files(files);
}

}  // namespace lait
