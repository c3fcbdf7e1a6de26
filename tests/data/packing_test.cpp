// The laws of packing: each token is once where it belongs, each distinct sequence is there once,
// gathers and their inverses agree.
#include "lait/data/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "kernels/work_list.h"
#include "tests/data/letters_tokenizer.h"

namespace lait {
namespace {

std::vector<int32_t> values(const PackedBatch& batch, const Slice& slice) {
  return {batch.ints.begin() + slice.begin, batch.ints.begin() + slice.begin + slice.size};
}

std::vector<Example> random_examples(std::mt19937& random, int count) {
  std::vector<Example> examples;
  auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int i = 0; i < count; ++i) {
    Example example;
    const int segments = 1 + below(4);
    for (int s = 0; s < segments; ++s) {
      example.segments.push_back(
          std::string(static_cast<size_t>(below(6)), static_cast<char>('a' + below(3))));
      example.groups.push_back(s == 0 ? 0 : example.groups.back() + below(2));
    }
    example.label = ClassLabel{below(2)};
    examples.push_back(example);
  }
  return examples;
}

// A head that reads first rows, and means at the join.
constexpr auto kFirst = Reads::Rows::kFirst;

PackPlan plan_of(Schedule schedule) {
  return {.schedule = std::move(schedule),
          .reads = {.rows = kFirst, .means = Reads::Means::kAtJoin}};
}

// The tokens of an example at a level, by tracing each of the level's rows back to level 0.
std::vector<int32_t> traced_tokens(const PackedBatch& batch, size_t level, int32_t unit) {
  const auto ids = values(batch, batch.token_ids);
  const auto offsets = values(batch, batch.levels[level].offsets);
  std::vector<int32_t> tokens;
  for (int32_t r = offsets[unit]; r < offsets[unit + 1]; ++r) {
    int32_t row = r;
    for (size_t l = level; l > 0; --l)
      row = values(batch, batch.levels[l].from_previous.index)[row];
    tokens.push_back(ids[row]);
  }
  return tokens;
}

TEST(Packing, EveryLevelHoldsTheTokensOfItsExamplesInOrder) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto examples = random_examples(random, 7);
    const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
    const PackPlan plan = plan_of({{1, Scope::kSegment}, {1, Scope::kGroup}, {2, Scope::kExample}});
    const std::vector<int64_t> indices{3, 0, 6, 6, 2};
    const PackedBatch batch = pack(dataset, indices, plan);
    ASSERT_EQ(batch.levels.size(), 3u);
    EXPECT_EQ(batch.levels[2].num_units, 5);
    for (size_t e = 0; e < indices.size(); ++e) {
      std::vector<int32_t> expected;
      for (int32_t sequence : dataset.example(indices[e]).sequences) {
        const auto tokens = dataset.tokens(sequence);
        expected.insert(expected.end(), tokens.begin(), tokens.end());
      }
      EXPECT_EQ(traced_tokens(batch, 2, static_cast<int32_t>(e)), expected);
      EXPECT_EQ(values(batch, batch.levels[2].unit_ids)[e], indices[e]);
    }
  }
}

TEST(Packing, ADistinctSequenceIsPackedOnce) {
  const std::vector<Example> examples{
      {.segments = {"aa", "b"}}, {.segments = {"aa", "c"}}, {.segments = {"b", "aa"}}};
  const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
  PackPlan plan = plan_of({{1, Scope::kSegment}, {1, Scope::kExample}});
  const std::vector<int64_t> all{0, 1, 2};
  EXPECT_EQ(pack(dataset, all, plan).levels[0].num_units, 3);
  plan.share_segments = false;
  EXPECT_EQ(pack(dataset, all, plan).levels[0].num_units, 6);
}

TEST(Packing, RowsAreRoundedUpAndDeadRowsBelongToNoUnit) {
  const std::vector<Example> examples{{.segments = {"a", "bb"}}};
  const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
  const PackedBatch batch =
      pack(dataset, std::vector<int64_t>{0}, plan_of({{1, Scope::kSegment}, {2, Scope::kExample}}));
  for (const Level& level : batch.levels) {
    EXPECT_EQ(level.num_rows, kRowMultiple);
    EXPECT_EQ(level.live_rows, 7);
    EXPECT_EQ(values(batch, level.offsets).back(), 7);
  }
  EXPECT_EQ(batch.token_ids.size, kRowMultiple);
}

void expect_inverse(const PackedBatch& batch, const Gather& gather, int64_t live) {
  const auto index = values(batch, gather.index), offsets = values(batch, gather.inverse_offsets),
             inverse = values(batch, gather.inverse);
  ASSERT_EQ(static_cast<int64_t>(inverse.size()), live);
  std::vector<int> seen(live, 0);
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    for (int32_t i = offsets[s]; i < offsets[s + 1]; ++i) {
      EXPECT_EQ(index[inverse[i]], static_cast<int32_t>(s));
      ++seen[inverse[i]];
      if (i > offsets[s]) {
        EXPECT_LT(inverse[i - 1], inverse[i]);  // a fixed order of summation
      }
    }
  }
  for (int count : seen) EXPECT_EQ(count, 1);
}

TEST(Packing, InversesListEveryLiveRowOnce) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto examples = random_examples(random, 9);
    const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
    const PackPlan plan = plan_of({{2, Scope::kSegment}, {1, Scope::kExample}});
    const std::vector<int64_t> indices{8, 1, 1, 4};
    const PackedBatch batch = pack(dataset, indices, plan);
    expect_inverse(batch, batch.levels[1].from_previous, batch.levels[1].live_rows);
    expect_inverse(batch, batch.read_rows->gather, 4);
    expect_inverse(batch, batch.head.first_row, 4);
    expect_inverse(batch, batch.head.first_segment, 4);
    expect_inverse(batch, batch.head.other_segments, batch.head.other_segments.index.size);
  }
}

// The keys of a one-sided stage are the example's tokens in order, its queries those of the first
// segment, and the others' rows are kept once each.
TEST(Packing, AOneSidedLevelHasTheFirstSegmentsRowsAndReadsTheOthers) {
  const Stage one_sided{2, Scope::kExample, Updates::kFirst};
  const Schedule schedules[] = {{{1, Scope::kSegment}, one_sided},
                                {{1, Scope::kSegment}, {1, Scope::kGroup}, one_sided},
                                {{1, Scope::kSegment}, {1, Scope::kExample}, one_sided}};
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto examples = random_examples(random, 7);
    const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
    const std::vector<int64_t> indices{3, 0, 6, 6, 2};
    PackPlan plan = plan_of(schedules[seed % 3]);
    plan.cuda_head_dim = seed % 2 == 0 ? 32 : 0;
    const PackedBatch batch = pack(dataset, indices, plan);
    const size_t level = batch.levels.size() - 1;
    const Level& last = batch.levels[level];
    ASSERT_TRUE(last.kept);
    const KeptRows& kept = *last.kept;
    EXPECT_EQ(last.num_units, 5);
    EXPECT_EQ(last.num_segments, 5);
    // The token of a row of the previous level.
    const auto ids = values(batch, batch.token_ids);
    const auto token_before = [&](int32_t row) {
      for (size_t l = level - 1; l > 0; --l)
        row = values(batch, batch.levels[l].from_previous.index)[row];
      return ids[row];
    };
    const auto from = values(batch, last.from_previous.index),
               kept_from = values(batch, kept.rows.index),
               at_join = values(batch, kept.keys_at_join.index),
               keys = values(batch, kept.keys.index), k_offsets = values(batch, kept.k_offsets);
    std::set<int32_t> once(kept_from.begin(), kept_from.begin() + kept.live_rows);
    EXPECT_EQ(std::ssize(once), kept.live_rows);
    EXPECT_EQ(kept.num_rows % kRowMultiple, 0);
    for (int32_t e = 0; e < 5; ++e) {
      std::vector<int32_t> expected, joined, later;
      for (int32_t sequence : dataset.example(indices[static_cast<size_t>(e)]).sequences) {
        const auto tokens = dataset.tokens(sequence);
        expected.insert(expected.end(), tokens.begin(), tokens.end());
      }
      for (int32_t k = k_offsets[e]; k < k_offsets[e + 1]; ++k) {
        joined.push_back(token_before(at_join[k]));
        later.push_back(token_before(keys[k] < last.num_rows ? from[keys[k]]
                                                             : kept_from[keys[k] - last.num_rows]));
        const int32_t first = values(batch, last.offsets)[e],
                      in_first = values(batch, last.offsets)[e + 1] - first, j = k - k_offsets[e];
        if (j < in_first) {
          EXPECT_EQ(keys[k], first + j);
        }
        EXPECT_EQ(j < in_first, keys[k] < last.num_rows);
      }
      EXPECT_EQ(joined, expected);
      EXPECT_EQ(later, expected);
      const auto first_tokens =
          dataset.tokens(dataset.example(indices[static_cast<size_t>(e)]).sequences[0]);
      EXPECT_EQ(traced_tokens(batch, level, e),
                std::vector<int32_t>(first_tokens.begin(), first_tokens.end()));
    }
    expect_inverse(batch, last.from_previous, last.live_rows);
    expect_inverse(batch, kept.rows, kept.live_rows);
    expect_inverse(batch, kept.keys, kept.keys.index.size);
    expect_inverse(batch, kept.keys_at_join, kept.keys_at_join.index.size);
    expect_inverse(batch, batch.read_rows->gather, 5);
  }
}

TEST(Packing, FirstRowsStartBeforeAJoinInTheLastLayerOnly) {
  const std::vector<Example> examples{{.segments = {"a", "bb"}}, {.segments = {"bb", "a"}}};
  const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
  const std::vector<int64_t> all{0, 1};
  const PackedBatch joins =
      pack(dataset, all, plan_of({{5, Scope::kSegment}, {1, Scope::kExample}}));
  // The second distinct segment's first row.
  EXPECT_EQ(values(joins, joins.read_rows->gather.index)[1], 3);
  const PackedBatch later =
      pack(dataset, all, plan_of({{4, Scope::kSegment}, {2, Scope::kExample}}));
  // The second example's first row.
  EXPECT_EQ(values(later, later.read_rows->gather.index)[1], 7);
}

TEST(Packing, WorkListsAreMadeWhereAskedFor) {
  std::mt19937 random(1);
  const auto examples = random_examples(random, 7);
  const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
  PackPlan plan = plan_of({{1, Scope::kSegment}, {1, Scope::kGroup}, {2, Scope::kExample}});
  const std::vector<int64_t> indices{3, 0, 6, 6, 2};
  const PackedBatch without = pack(dataset, indices, plan);
  for (const Level& level : without.levels)
    EXPECT_TRUE(level.work.blocks.empty() && level.work.tiles.size == 0);
  plan.cuda_head_dim = 64;
  const PackedBatch batch = pack(dataset, indices, plan);
  auto expect_work = [&](const Work& work, const std::vector<int32_t>& q_offsets,
                         const std::vector<int32_t>& k_offsets) {
    const auto list = kernels::make_work_list(q_offsets.data(), k_offsets.data(),
                                              static_cast<int64_t>(q_offsets.size()) - 1, 64);
    EXPECT_EQ(values(batch, work.tiles), list.tiles);
    EXPECT_EQ(work.blocks, list.counts());
  };
  for (const Level& level : batch.levels)
    expect_work(level.work, values(batch, level.offsets), values(batch, level.offsets));
  ASSERT_TRUE(batch.read_rows);
  expect_work(batch.read_rows->work, values(batch, batch.read_rows->q_offsets),
              values(batch, batch.levels.back().offsets));
}

// RoBERTa's positions begin behind padding_idx and leave out its token wherever it stands.
TEST(Packing, PositionsLeaveOutTheUncountedToken) {
  const std::vector<Example> examples{{.segments = {"axb"}}};
  SegmentLayout layout = letters_layout();
  layout.first_position = 2;
  layout.uncounted_token = 'x';
  const Dataset dataset(examples, LettersTokenizer(), {.layout = layout});
  const PackedBatch batch = pack(dataset, std::vector<int64_t>{0}, plan_of({{2, Scope::kExample}}));
  auto positions = values(batch, batch.positions);
  positions.resize(5);
  EXPECT_EQ(positions, (std::vector<int32_t>{2, 3, 1, 4, 5}));
}

TEST(Packing, PairFormatHasTypesAndSegmentBoundaries) {
  const std::vector<Example> examples{{.segments = {"a", "bb", "c"}}};
  const Dataset dataset(examples, LettersTokenizer(),
                        {.layout = letters_layout(), .format = SegmentFormat::kPair});
  const PackPlan plan{.schedule = {{2, Scope::kExample}}, .reads = {.means = Reads::Means::kFinal}};
  const PackedBatch batch = pack(dataset, std::vector<int64_t>{0}, plan);
  auto types = values(batch, batch.token_types);
  types.resize(8);  // "[CLS] a [SEP]", "bb c [SEP]"
  EXPECT_EQ(types, (std::vector<int32_t>{0, 0, 0, 1, 1, 1, 1, 1}));
  EXPECT_EQ(values(batch, batch.levels[0].segment_offsets), (std::vector<int32_t>{0, 3, 8}));
}

TEST(Packing, GroupStageNeedsGroups) {
  const std::vector<Example> examples{{.segments = {"a", "b"}}};
  const Dataset dataset(examples, LettersTokenizer(), {.layout = letters_layout()});
  try {
    pack(dataset, std::vector<int64_t>{0}, plan_of({{1, Scope::kGroup}, {1, Scope::kExample}}));
    FAIL() << "expected an error";
  } catch (const std::exception& error) {
    EXPECT_STREQ(error.what(),
                 "model.schedule has a group stage, but example 1 has no groups; give its groups "
                 "or use the scopes segment and example");
  }
}

TEST(Dataset, PairsAreTruncatedLongestFirstAndCounted) {
  const std::vector<Example> examples{{.segments = {"aaaaaaaaaa", "bb"}},
                                      {.segments = {"aaaaaaaaaa", "bbbbbbbbb"}},
                                      {.segments = {"a", "b"}}};
  const Dataset dataset(
      examples, LettersTokenizer(),
      {.layout = letters_layout(), .format = SegmentFormat::kPair, .max_tokens = 10});
  EXPECT_EQ(dataset.length(0), 10);
  EXPECT_EQ(dataset.first_segment_length(0), 7);  // 5 of a, all of b
  // Both are cut: Hugging Face gives the odd token to the longer one.
  EXPECT_EQ(dataset.first_segment_length(1), 6);
  EXPECT_EQ(dataset.num_truncated(), 2);
  EXPECT_THAT(dataset.example(0).truncated, testing::ElementsAre(0));
  EXPECT_THAT(dataset.example(1).truncated, testing::ElementsAre(0, 1));
  EXPECT_THAT(dataset.example(2).truncated, testing::IsEmpty());
}

// Three examples are equal after truncation, and two of them have lost text.
TEST(Dataset, TruncationIsCountedByExample) {
  const std::vector<Example> examples{
      {.segments = {"q", "abcde"}}, {.segments = {"q", "abcdefgh"}}, {.segments = {"q", "abcdex"}}};
  for (const SegmentFormat format : {SegmentFormat::kStandalone, SegmentFormat::kPair}) {
    const bool pair = format == SegmentFormat::kPair;
    const Dataset dataset(
        examples, LettersTokenizer(),
        {.layout = letters_layout(), .format = format, .max_tokens = pair ? 9 : 7});
    EXPECT_EQ(dataset.num_sequences(), pair ? 1 : 2);
    EXPECT_EQ(dataset.num_truncated(), 2);
    EXPECT_THAT(dataset.example(0).truncated, testing::IsEmpty());
    EXPECT_THAT(dataset.example(1).truncated, testing::ElementsAre(1));
    EXPECT_THAT(dataset.example(2).truncated, testing::ElementsAre(1));
  }
}

// A pair's second text is the other segments, joined: those behind the cut lost text.
TEST(Dataset, TheSegmentsOfAPairThatLostTextAreNamed) {
  const std::vector<Example> examples{{.segments = {"q", "abcd", "efgh", "ijkl"}}};
  for (const auto& [max_tokens, truncated] :
       {std::pair{30, std::vector<int32_t>{}}, {13, {3}}, {12, {2, 3}}}) {
    const Dataset dataset(
        examples, LettersTokenizer(),
        {.layout = letters_layout(), .format = SegmentFormat::kPair, .max_tokens = max_tokens});
    EXPECT_THAT(dataset.example(0).truncated, testing::ElementsAreArray(truncated)) << max_tokens;
  }
}

TEST(Dataset, TheFewestTokensAreEnoughForBothFormats) {
  const std::vector<Example> examples{
      {.segments = {"aaa", "bb"}}, {.segments = {"", "bb"}}, {.segments = {"a"}}};
  const Dataset pairs(
      examples, LettersTokenizer(),
      {.layout = letters_layout(), .format = SegmentFormat::kPair, .max_tokens = kFewestTokens});
  for (int32_t s = 0; s < pairs.num_sequences(); ++s) EXPECT_EQ(pairs.length(s), kFewestTokens);
  const Dataset segments(examples, LettersTokenizer(),
                         {.layout = letters_layout(), .max_tokens = kFewestTokens});
  EXPECT_EQ(segments.length(segments.example(0).sequences[1]), kFewestTokens);
}

TEST(Dataset, OverflowErrorNamesTheExample) {
  const std::vector<Example> examples{{.segments = {"aaaaaaaaaa"}, .id = "x7"}};
  try {
    Dataset(examples, LettersTokenizer(),
            {.layout = letters_layout(), .max_tokens = 8, .on_overflow = OnOverflow::kError});
    FAIL() << "expected an error";
  } catch (const std::exception& error) {
    EXPECT_STREQ(error.what(),
                 "example 'x7': expected at most 8 tokens, got 12; shorten it, raise "
                 "data.max_segment_tokens, or set data.on_overflow: truncate "
                 "(of a checkpoint: in its lait.yaml)");
  }
}

}  // namespace
}  // namespace lait
