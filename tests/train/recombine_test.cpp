// Recombined pairs against their plain definition.
#include "train/recombine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>

#include "lait/base/error.h"

namespace lait {
namespace {

using Pair = std::pair<int64_t, int64_t>;

void add(std::vector<Example>& examples, const std::vector<std::string>& segments) {
  Example& example = examples.emplace_back();
  example.segments = segments;
  example.label = ClassLabel{1};
}

// Few words, so that many pairs share some; each first and second text occurs several times.
std::vector<Example> random_examples(uint32_t seed, int64_t count) {
  std::mt19937 random(seed);
  const auto text = [&] {
    std::string out;
    // Squared, so that some words are rare.
    for (uint32_t words = 1 + random() % 5; words > 0; --words) {
      const double share = static_cast<double>(random() % 1000) / 1000;
      out += "w" + std::to_string(static_cast<int>(share * share * 60)) +
             (random() % 2 == 0 ? " " : ", ");
    }
    return out;
  };
  std::vector<std::string> firsts, seconds;
  for (int64_t i = 0; i < count / 2; ++i) {
    firsts.push_back(text());
    seconds.push_back(text());
  }
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) {
    add(examples, {firsts[random() % firsts.size()], seconds[random() % seconds.size()]});
  }
  return examples;
}

std::set<std::string> words_of(std::string text) {
  for (char& c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = ' ';
    c = static_cast<char>(std::tolower(c));
  }
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

// Every pair's score.
class Scores {
 public:
  explicit Scores(const std::vector<Example>& examples) {
    for (const Example& example : examples) seconds_.insert(example.segments[1]);
    for (const std::string& text : seconds_) {
      for (const std::string& word : words_of(text)) ++df_[word];
    }
  }
  double of(const std::string& first, const std::string& second) const {
    double score = 0;
    for (const std::string& word : words_of(first)) {
      if (!words_of(second).contains(word)) continue;
      const size_t df = df_.at(word), most = std::max<size_t>(50, seconds_.size() / 100);
      if (df <= most)
        score += std::log(static_cast<double>(seconds_.size()) / static_cast<double>(df));
    }
    return score;
  }
  bool shares(const std::string& first, const std::string& second) const {
    for (const std::string& word : words_of(first)) {
      if (words_of(second).contains(word) &&
          df_.at(word) <= std::max<size_t>(50, seconds_.size() / 100))
        return true;
    }
    return false;
  }
  const std::set<std::string>& seconds() const { return seconds_; }

 private:
  std::set<std::string> seconds_;
  std::map<std::string, size_t> df_;
};

TEST(Recombine, TakesTheBestPairsByThePlainDefinition) {
  for (const int64_t count : {2, 40, 400}) {
    SCOPED_TRACE(count);
    const std::vector<Example> examples = random_examples(static_cast<uint32_t>(count), count);
    const Scores scores(examples);
    std::map<std::string, int64_t> num_examples;
    std::set<std::pair<std::string, std::string>> known;
    for (const Example& example : examples) {
      ++num_examples[example.segments[0]];
      known.emplace(example.segments[0], example.segments[1]);
    }
    const std::vector<Pair> pairs = recombined_pairs(examples, 3, /*seed=*/7, /*threads=*/2);
    std::map<std::string, std::vector<double>> found;
    std::vector<std::string> order;
    for (const auto& [i, j] : pairs) {
      const std::string &first = examples[i].segments[0], &second = examples[j].segments[1];
      EXPECT_TRUE(known.emplace(first, second).second) << first << second;  // new, and once
      EXPECT_TRUE(scores.shares(first, second));
      if (found[first].empty()) order.push_back(first);
      found[first].push_back(scores.of(first, second));
    }
    // Every pair that is left out has no higher score than those that are there, and there are as
    // many as can be.
    int64_t left_out = 0;
    for (const auto& [first, number] : num_examples) {
      const size_t most = static_cast<size_t>(3 * number);
      ASSERT_LE(found[first].size(), most);
      EXPECT_TRUE(std::is_sorted(found[first].rbegin(), found[first].rend(),
                                 [](double a, double b) { return a < b - 1e-12; }));
      for (const std::string& second : scores.seconds()) {
        if (known.contains({first, second}) || !scores.shares(first, second)) continue;
        ASSERT_EQ(found[first].size(), most) << first;
        EXPECT_LE(scores.of(first, second), found[first].back() + 1e-12);
        ++left_out;
      }
    }
    EXPECT_EQ(left_out > 0, count > 2);
    // In the order in which first texts occur.
    size_t at = 0;
    for (const Example& example : examples) {
      if (at < order.size() && example.segments[0] == order[at]) ++at;
    }
    EXPECT_EQ(at, order.size());
  }
}

TEST(Recombine, DependsOnTheSeedAloneWhereScoresAreEqual) {
  std::vector<Example> examples;
  for (int i = 0; i < 30; ++i)
    add(examples, {"Same word " + std::to_string(i), "word, the same: x" + std::to_string(i)});
  const auto pairs = [&](uint64_t seed, int threads) {
    return recombined_pairs(examples, 2, seed, threads);
  };
  EXPECT_EQ(pairs(1, 1).size(), 60u);
  EXPECT_EQ(pairs(1, 1), pairs(1, 3));
  EXPECT_NE(pairs(1, 1), pairs(2, 1));
}

TEST(Recombine, MakesExamplesWithoutLabels) {
  const std::vector<Example> examples{
      {.segments = {"Élan vital", "a b"}, .groups = {0, 1}, .label = ClassLabel{2}, .id = "x"},
      {.segments = {"c d", "ÉLAN élan-Vital"}, .label = ClassLabel{1}}};
  const std::vector<Example> made = recombined(examples, 5, 1, 1);
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].segments, (std::vector<std::string>{"Élan vital", "ÉLAN élan-Vital"}));
  EXPECT_EQ(made[0].groups, (std::vector<int32_t>{0, 1}));
  EXPECT_FALSE(has_label(made[0].label));
  EXPECT_EQ(made[0].id, "");
  EXPECT_TRUE(recombined({}, 5, 1, 1).empty());
}

TEST(Recombine, WordsOfTooManyTextsCountNothing) {
  std::vector<Example> examples;
  for (int i = 0; i < 60; ++i) add(examples, {"common", "common x" + std::to_string(i)});
  EXPECT_TRUE(recombined_pairs(examples, 1, 1, 1).empty());
  examples.resize(50);
  add(examples, {"other", "y"});
  EXPECT_TRUE(recombined_pairs(examples, 1, 1, 1).empty());  // all are paired
  add(examples, {"Common too", "z"});
  EXPECT_EQ(recombined_pairs(examples, 1, 1, 1).size(), 1u);
}

TEST(Recombine, NeedsTwoSegments) {
  const std::vector<Example> examples{{.segments = {"a", "b"}}, {.segments = {"a", "b", "c"}}};
  EXPECT_THROW(
      try { recombined_pairs(examples, 1, 1, 1); } catch (const UserError& error) {
        EXPECT_STREQ(error.what(),
                     "example 2: training.distill.recombine: expected two segments in every "
                     "example, got 3; leave it out");
        throw;
      },
      UserError);
}

}  // namespace
}  // namespace lait
