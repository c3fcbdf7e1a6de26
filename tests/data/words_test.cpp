// The words of rows and keys, as packing gathers them, against what they are: a row's token, and
// the number of its segment in the unit.
#include <gtest/gtest.h>

#include <random>

#include "kernels/lexical_bias.h"
#include "lait/data/packing.h"
#include "tests/data/letters_tokenizer.h"
#include "tests/data/random_examples.h"

namespace lait {
namespace {

std::vector<int32_t> values_of(const PackedBatch& batch, const Slice& slice) {
  return {batch.ints.begin() + slice.begin, batch.ints.begin() + slice.begin + slice.size};
}

SegmentLayout layout_with_words() {
  SegmentLayout layout = letters_layout();
  for (const auto* tokens : {&layout.prefix, &layout.suffix})
    layout.no_words.insert(layout.no_words.end(), tokens->begin(), tokens->end());
  layout.no_words.push_back('c');  // as an unknown token
  return layout;
}

std::vector<Example> examples_with_groups(std::mt19937& random, int count) {
  std::vector<Example> examples = random_examples_of_all_kinds(random, count, 5);
  for (Example& example : examples) {
    example.groups.clear();
    for (size_t s = 0; s < example.segments.size(); ++s)
      example.groups.push_back(static_cast<int32_t>(s / 2));
  }
  return examples;
}

// Of an example's segments [first, end), numbered from 0.
std::vector<int32_t> expected_words(const Dataset& dataset, int64_t example, size_t first,
                                    size_t end) {
  const SegmentLayout& layout = dataset.layout();
  std::vector<int32_t> words;
  const auto sequences = dataset.example(example).sequences;
  for (size_t s = first; s < std::min(end, sequences.size()); ++s) {
    for (const int32_t token : dataset.tokens(sequences[s])) {
      const bool special = std::ranges::count(layout.no_words, token) > 0;
      words.push_back(special ? -1 : token * 4096 + static_cast<int32_t>(s - first));
    }
  }
  return words;
}

std::vector<int32_t> part(const std::vector<int32_t>& all, int32_t begin, int32_t end) {
  return {all.begin() + begin, all.begin() + end};
}

PackPlan plan_with_words(Schedule schedule) {
  return {.schedule = std::move(schedule),
          .reads = {.rows = Reads::Rows::kSegments, .row_segments = {0}},
          .words = true};
}

// Of a batch of random data sets: check(seed, data set, the batch's examples).
void for_random_batches(const auto& check) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto examples = examples_with_groups(random, 7);
    check(seed, Dataset(examples, LettersTokenizer(), {.layout = layout_with_words()}),
          std::vector<int64_t>{3, 0, 6, 6, 2});
  }
}

TEST(Words, OfGroupsAndExamplesAreTokensAndSegmentNumbers) {
  for_random_batches([](unsigned, const Dataset& dataset, const std::vector<int64_t>& indices) {
    const PackedBatch batch =
        pack(dataset, indices,
             plan_with_words({{1, Scope::kSegment}, {1, Scope::kGroup}, {2, Scope::kExample}}));
    EXPECT_EQ(batch.levels[0].words.size, 0);
    const Level &groups = batch.levels[1], &whole = batch.levels[2];
    EXPECT_EQ(groups.words.size, groups.num_rows);
    const auto of_whole = values_of(batch, whole.words), offsets = values_of(batch, whole.offsets);
    const auto of_read = values_of(batch, batch.read_rows->words),
               read_offsets = values_of(batch, batch.read_rows->q_offsets);
    EXPECT_EQ(batch.read_rows->words.size, batch.read_rows->num_rows);
    for (size_t e = 0; e < indices.size(); ++e) {
      EXPECT_EQ(part(of_whole, offsets[e], offsets[e + 1]),
                expected_words(dataset, indices[e], 0, SIZE_MAX));
      EXPECT_EQ(part(of_read, read_offsets[e], read_offsets[e + 1]),
                expected_words(dataset, indices[e], 0, 1));
    }
    // Groups are shared, so they are found by the rows that the examples gather from them.
    const auto of_groups = values_of(batch, groups.words),
               group_offsets = values_of(batch, groups.offsets),
               from = values_of(batch, whole.from_previous.index);
    for (size_t e = 0; e < indices.size(); ++e) {
      const auto begin = std::ranges::upper_bound(group_offsets, from[offsets[e]]) - 1;
      EXPECT_EQ(part(of_groups, begin[0], begin[1]), expected_words(dataset, indices[e], 0, 2));
    }
  });
}

// Of a one-sided stage, however its keys lie: gathered, in runs, and with stored sequences.
TEST(Words, OfAOneSidedStagesKeysAreThoseOfTheExample) {
  const Stage one_sided{2, Scope::kExample, Updates::kFirst};
  for_random_batches([&](unsigned seed, const Dataset& dataset,
                         const std::vector<int64_t>& indices) {
    PackPlan plan = plan_with_words({{1, Scope::kSegment}, one_sided});
    if (seed % 3 == 1) plan.key_runs = true;
    if (seed % 3 == 2) {
      plan.key_runs = true;
      plan.enters = Enters::kStatesAndKeys;
    }
    const PackedBatch batch = pack(dataset, indices, plan);
    const Level& level = batch.levels[1];
    const auto keys = values_of(batch, level.k_words()),
               k_offsets = values_of(batch, level.k_offsets()),
               rows = values_of(batch, level.words), offsets = values_of(batch, level.offsets);
    EXPECT_EQ(std::ssize(rows), level.num_rows);
    EXPECT_EQ(std::ssize(keys), k_offsets.back());
    for (size_t e = 0; e < indices.size(); ++e) {
      EXPECT_EQ(part(keys, k_offsets[e], k_offsets[e + 1]),
                expected_words(dataset, indices[e], 0, SIZE_MAX));
      EXPECT_EQ(part(rows, offsets[e], offsets[e + 1]), expected_words(dataset, indices[e], 0, 1));
    }
  });
}

TEST(Words, AreMadeOnlyWhereAskedFor) {
  std::mt19937 random(1);
  const auto examples = examples_with_groups(random, 7);
  const Dataset dataset(examples, LettersTokenizer(), {.layout = layout_with_words()});
  PackPlan plan = plan_with_words({{1, Scope::kSegment}, {2, Scope::kExample}});
  const std::vector<int64_t> indices{3, 0, 6};
  const size_t with = pack(dataset, indices, plan).ints.size();
  plan.words = false;
  const PackedBatch without = pack(dataset, indices, plan);
  EXPECT_LT(without.ints.size(), with);
  EXPECT_EQ(without.levels[1].words.size, 0);
  EXPECT_EQ(without.read_rows->words.size, 0);
}

TEST(Words, AnExampleHasAsManySegmentsAsWordsCount) {
  std::vector<Example> examples(1);
  examples[0].segments.assign(kernels::kMaxWordSegments, "a");
  const std::vector<int64_t> one{0};
  const PackPlan plan = plan_with_words({{1, Scope::kSegment}, {2, Scope::kExample}});
  const auto packed = [&] {
    pack(Dataset(examples, LettersTokenizer(), {.layout = layout_with_words()}), one, plan);
  };
  EXPECT_NO_THROW(packed());
  examples[0].segments.emplace_back("a");
  try {
    packed();
    FAIL() << "expected an error";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "model.lexical_bias: expected at most 4096 segments in an example, got more; "
                 "train without it");
  }
}

}  // namespace
}  // namespace lait
