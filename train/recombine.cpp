#include "train/recombine.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>

#include "kernels/philox.h"
#include "lait/base/error.h"
#include "lait/base/parallel.h"
#include "lait/base/words.h"

namespace lait {
namespace {

// Words of more second texts than this count nothing: a share of the texts, but at least so many.
constexpr size_t kMostTexts = 50, kMostShare = 100;
constexpr size_t kTextsOfACall = 256;

// The numbers of a text's distinct words, in ascending order.
using WordList = std::vector<int32_t>;

class WordNumbers {
 public:
  WordList of(std::string_view text) {
    WordList words;
    for (size_t begin = 0; begin < text.size();) {
      size_t end = begin;
      while (end < text.size() && is_letter(text[end])) ++end;
      if (end > begin) {
        const auto next = static_cast<int32_t>(numbers_.size());
        const std::string word = lower(std::string(text.substr(begin, end - begin)));
        words.push_back(numbers_.try_emplace(word, next).first->second);
      }
      begin = end + 1;
    }
    std::ranges::sort(words);
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
  }
  size_t size() const { return numbers_.size(); }

 private:
  static bool is_letter(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           static_cast<unsigned char>(c) >= 0x80;
  }
  std::unordered_map<std::string, int32_t> numbers_;
};

// Distinct texts, as they first occur.
class DistinctTexts {
 public:
  int32_t number_of(const std::string& text, int64_t example) {
    const auto [entry, is_new] = numbers_.try_emplace(text, static_cast<int32_t>(examples_.size()));
    if (is_new) examples_.push_back(example);
    return entry->second;
  }
  size_t size() const { return examples_.size(); }
  int64_t first_example(size_t text) const { return examples_[text]; }

 private:
  std::unordered_map<std::string_view, int32_t> numbers_;  // of the examples' texts
  std::vector<int64_t> examples_;
};

// By which texts of equal scores are ordered.
uint64_t lot(uint64_t seed, size_t first, int32_t second) {
  const auto words =
      kernels::philox(static_cast<uint32_t>(first), static_cast<uint32_t>(second), 0, 0xFFFFFFFCu,
                      static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
  return (uint64_t{words.word[0]} << 32) | words.word[1];
}

// Of each second text for the first text at hand, and the texts whose scores were touched.
struct Scores {
  explicit Scores(size_t num_texts) : of(num_texts, kNone) {}
  static constexpr double kNone = -1;
  std::vector<double> of;
  std::vector<int32_t> touched;
};

// The second texts of each word, and the words' weights.
class Index {
 public:
  Index(const std::vector<WordList>& seconds, size_t num_words)
      : num_texts_(seconds.size()), texts_(num_words), weights_(num_words) {
    for (size_t text = 0; text < seconds.size(); ++text) {
      for (const int32_t word : seconds[text])
        texts_[static_cast<size_t>(word)].push_back(static_cast<int32_t>(text));
    }
    const size_t most = std::max(kMostTexts, num_texts_ / kMostShare);
    for (size_t word = 0; word < num_words; ++word) {
      std::vector<int32_t>& texts = texts_[word];
      if (texts.size() > most) texts.clear();
      if (!texts.empty())
        weights_[word] =
            std::log(static_cast<double>(num_texts_) / static_cast<double>(texts.size()));
    }
  }

  // The `count` best for a first text with these words, without `paired` (sorted). `scores` are
  // none, before and after.
  std::vector<int32_t> best(const WordList& words, const std::vector<int32_t>& paired, size_t first,
                            size_t count, uint64_t seed, Scores& scores) const {
    for (const int32_t word : words) {
      for (const int32_t text : texts_[static_cast<size_t>(word)]) {
        double& score = scores.of[static_cast<size_t>(text)];
        if (score == Scores::kNone) {
          score = 0;
          scores.touched.push_back(text);
        }
        score += weights_[static_cast<size_t>(word)];
      }
    }
    std::vector<int32_t> out;
    std::ranges::copy_if(scores.touched, std::back_inserter(out),
                         [&](int32_t text) { return !std::ranges::binary_search(paired, text); });
    const auto better = [&](int32_t a, int32_t b) {
      const double of_a = scores.of[static_cast<size_t>(a)],
                   of_b = scores.of[static_cast<size_t>(b)];
      return of_a != of_b ? of_a > of_b : lot(seed, first, a) < lot(seed, first, b);
    };
    count = std::min(count, out.size());
    std::partial_sort(out.begin(), out.begin() + static_cast<ptrdiff_t>(count), out.end(), better);
    out.resize(count);
    for (const int32_t text : scores.touched) scores.of[static_cast<size_t>(text)] = Scores::kNone;
    scores.touched.clear();
    return out;
  }

 private:
  size_t num_texts_;
  std::vector<std::vector<int32_t>> texts_;
  std::vector<double> weights_;
};

}  // namespace

std::vector<std::pair<int64_t, int64_t>> recombined_pairs(std::span<const Example> examples,
                                                          int64_t per_example, uint64_t seed,
                                                          int threads) {
  DistinctTexts firsts, seconds;
  std::vector<std::vector<int32_t>> paired;  // with each first text
  std::vector<size_t> num_examples;          // of each first text
  for (size_t i = 0; i < examples.size(); ++i) {
    const std::vector<std::string>& segments = examples[i].segments;
    if (segments.size() != 2) {
      throw UserError(example_name(examples, i) +
                      ": training.distill.recombine: expected two segments in every example, got " +
                      std::to_string(segments.size()) + "; leave it out");
    }
    const auto first = static_cast<size_t>(firsts.number_of(segments[0], static_cast<int64_t>(i)));
    paired.resize(firsts.size());
    num_examples.resize(firsts.size());
    paired[first].push_back(seconds.number_of(segments[1], static_cast<int64_t>(i)));
    ++num_examples[first];
  }
  WordNumbers numbers;
  std::vector<WordList> of_first(firsts.size()), of_second(seconds.size());
  for (size_t t = 0; t < firsts.size(); ++t)
    of_first[t] = numbers.of(examples[static_cast<size_t>(firsts.first_example(t))].segments[0]);
  for (size_t t = 0; t < seconds.size(); ++t)
    of_second[t] = numbers.of(examples[static_cast<size_t>(seconds.first_example(t))].segments[1]);
  const Index index(of_second, numbers.size());
  std::vector<std::vector<int32_t>> best(firsts.size());
  const size_t calls = (firsts.size() + kTextsOfACall - 1) / kTextsOfACall;
  for_each_on(threads, static_cast<int64_t>(calls), [&](int64_t call) {
    const size_t begin = static_cast<size_t>(call) * kTextsOfACall;
    Scores scores(seconds.size());
    for (size_t t = begin; t < std::min(firsts.size(), begin + kTextsOfACall); ++t) {
      std::ranges::sort(paired[t]);
      best[t] = index.best(of_first[t], paired[t], t,
                           num_examples[t] * static_cast<size_t>(per_example), seed, scores);
    }
  });
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (size_t t = 0; t < firsts.size(); ++t) {
    for (const int32_t second : best[t])
      pairs.emplace_back(firsts.first_example(t),
                         seconds.first_example(static_cast<size_t>(second)));
  }
  return pairs;
}

std::vector<Example> recombined(std::span<const Example> examples, int64_t per_example,
                                uint64_t seed, int threads) {
  std::vector<Example> out;
  for (const auto& [i, j] : recombined_pairs(examples, per_example, seed, threads)) {
    const Example &first = examples[static_cast<size_t>(i)],
                  &second = examples[static_cast<size_t>(j)];
    Example& pair = out.emplace_back();
    pair.segments = {first.segments[0], second.segments[1]};
    pair.groups = first.groups;
  }
  return out;
}

}  // namespace lait
