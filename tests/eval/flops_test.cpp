// FLOPs against numbers computed by hand, and against a second, independent count: loops over every
// pair of tokens of every layer.
#include "eval/flops.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/eval/texts.h"

namespace lait {
namespace {

struct Widths {
  int64_t hidden = 8, intermediate = 32;  // C, I
};
constexpr Widths kWidths;
const Reads kClsSegments{.rows = Reads::Rows::kFirst, .means = Reads::Means::kAtJoin};
const Reads kReads[] = {{.rows = Reads::Rows::kFirst},
                        {.rows = Reads::Rows::kAll},
                        {.means = Reads::Means::kFinal},
                        kClsSegments};

// BERT's costs at these widths.
LayerCosts costs() {
  const auto width = static_cast<double>(kWidths.hidden);
  return {.pair = 2 * width,
          .query = width * width,
          .key_value = 2 * width * width,
          .output = width * width,
          .feed_forward = 2 * width * static_cast<double>(kWidths.intermediate)};
}

Dataset make_dataset(const std::vector<Example>& examples, SegmentFormat format) {
  const WordTokenizer tokenizer;
  return Dataset(examples, tokenizer, {.layout = words_layout(), .format = format});
}

void expect_flops(const Flops& got, double score_context, double attention, double encoder,
                  const std::string& what) {
  EXPECT_EQ(got.score_context, score_context) << what;
  EXPECT_EQ(got.attention, attention) << what;
  EXPECT_EQ(got.encoder, encoder) << what;
}

// Segments of 3 and 5 tokens, three layers, the first split, one row read in the last.
// C = 8, I = 32:
//   pair 4 C = 32, projected row 2 C^2 = 128, FFN row 4 C I = 1024.
TEST(Flops, ByHand) {
  const Dataset dataset =
      make_dataset({make_example({text_of("a", 3), text_of("b", 5)})}, SegmentFormat::kStandalone);
  const PackPlan plan{.schedule = {{1, Scope::kSegment}, {2, Scope::kExample}},
                      .reads = kClsSegments};
  const FlopCounts counts = example_flops(dataset, 0, plan, costs());
  // Full: 3 layers of 64 pairs, 8 rows.
  expect_flops(counts.full, 3 * 64 * 32, 3 * (64 * 32 + 32 * 128),
               3 * (64 * 32 + 32 * 128 + 8 * 1024), "full");
  // Layer 0: 9 + 25 pairs; layer 1: 64; layer 2: one row attends to 8. Projected rows: 32, 32, and
  // 8 + 8 + 1 + 1.
  const double pairs = 34 + 64 + 8, projected = 32 + 32 + 18, ffn = 8 + 8 + 1;
  expect_flops(counts.lait, pairs * 32, pairs * 32 + projected * 128,
               pairs * 32 + projected * 128 + ffn * 1024, "lait");
  // Cached: no layer 0; of the projections of layer 1 only the output's (8 rows).
  const double cached_pairs = 64 + 8, cached_projected = 8 + 18, cached_ffn = 8 + 1;
  expect_flops(counts.lait_cached, cached_pairs * 32, cached_pairs * 32 + cached_projected * 128,
               cached_pairs * 32 + cached_projected * 128 + cached_ffn * 1024, "lait_cached");
}

TEST(Flops, StockModelWithoutPruningIsFull) {
  for (const SegmentFormat format : {SegmentFormat::kPair, SegmentFormat::kStandalone}) {
    const Dataset dataset =
        make_dataset({make_example({text_of("a", 4), text_of("b", 7)})}, format);
    const PackPlan plan{.schedule = {{2, Scope::kExample}}, .reads = kClsSegments};
    const FlopCounts counts = example_flops(dataset, 0, plan, costs());
    EXPECT_EQ(counts.lait.encoder, counts.full.encoder);
    EXPECT_EQ(counts.lait_cached.encoder, counts.full.encoder);  // nothing can be cached
  }
}

TEST(Flops, DualEncoderFromTheCacheIsFree) {
  const Dataset dataset =
      make_dataset({make_example({text_of("a", 4), text_of("b", 7)})}, SegmentFormat::kStandalone);
  const PackPlan plan{.schedule = {{2, Scope::kSegment}}, .reads = {.means = Reads::Means::kFinal}};
  EXPECT_EQ(example_flops(dataset, 0, plan, costs()).lait_cached.encoder, 0);
}

TEST(Flops, OneJointLayerFromTheCacheIsOneAttentionRow) {
  const Dataset dataset =
      make_dataset({make_example({text_of("a", 4), text_of("b", 7)})}, SegmentFormat::kStandalone);
  const PackPlan plan{.schedule = {{2, Scope::kSegment}, {1, Scope::kExample}},
                      .reads = kClsSegments};
  expect_flops(example_flops(dataset, 0, plan, costs()).lait_cached, 11 * 32, 11 * 32 + 128,
               11 * 32 + 128 + 1024, "one row");
}

TEST(Flops, MeanOverTheDataSet) {
  const Dataset dataset =
      make_dataset({make_example({text_of("a", 4)}), make_example({text_of("b", 8)})},
                   SegmentFormat::kStandalone);
  const PackPlan plan{.schedule = {{1, Scope::kExample}}, .reads = kClsSegments};
  EXPECT_EQ(mean_flops(dataset, plan, costs()).full.score_context, (16 + 64) / 2 * 32);
}

// The second count. A token knows its position in the example, its segment (by content) and its
// group. Two tokens see each other in a layer if the layer's scope says so. A segment or group that
// occurs twice in the example is computed once.
struct Token {
  int unit_of[3];  // identity of its segment, group and example by content
  bool first_of[3];
  bool duplicate[3];  // an equal segment or group came earlier in the example
};

std::vector<Token> tokens_of(const Dataset& dataset, const PackPlan& plan) {
  const TokenizedExample& example = dataset.example(0);
  std::vector<Token> tokens;
  std::set<int32_t> seen_segments;
  std::map<std::vector<int32_t>, int> groups;
  for (size_t s = 0; s < example.sequences.size(); ++s) {
    const int group_number = example.groups.empty() ? 0 : example.groups[s];
    std::vector<int32_t> members;
    for (size_t o = 0; o < example.sequences.size(); ++o) {
      if ((example.groups.empty() ? 0 : example.groups[o]) == group_number)
        members.push_back(example.sequences[o]);
    }
    const bool first_of_group =
        s == 0 || example.groups.empty() ? s == 0 : example.groups[s] != example.groups[s - 1];
    const bool duplicate_segment = !seen_segments.insert(example.sequences[s]).second;
    const auto [found, is_new] = groups.try_emplace(members, group_number);
    for (int64_t t = 0; t < dataset.length(example.sequences[s]); ++t) {
      tokens.push_back({{static_cast<int>(s), group_number, 0},
                        {t == 0, t == 0 && first_of_group, t == 0 && s == 0},
                        {duplicate_segment, found->second != group_number, false}});
    }
  }
  return tokens;
}

Flops count_by_loops(const Dataset& dataset, const PackPlan& plan, Execution execution) {
  const bool pair = dataset.sequence_scope() == Scope::kExample;
  std::vector<Scope> scopes;
  for (const Stage& stage : plan.schedule)
    scopes.insert(scopes.end(), stage.num_layers, stage.scope);
  const std::vector<Token> tokens = tokens_of(dataset, plan);
  const auto num_layers = static_cast<int>(scopes.size());
  const bool some_joint_after_split =
      scopes.front() != Scope::kExample && scopes.back() == Scope::kExample && !pair;
  const bool first_only =
      plan.reads == kReads[0] || (plan.reads == kClsSegments && some_joint_after_split);
  Flops total;
  for (int l = 0; l < num_layers; ++l) {
    const int scope = execution == Execution::kFull || pair ? 2 : static_cast<int>(scopes[l]);
    const int scope_before = execution == Execution::kFull || pair ? 2
                             : l == 0                              ? 0
                                      : static_cast<int>(scopes[l - 1]);
    const bool cacheable =
        execution == Execution::kLaitCached && !pair && scopes.front() == Scope::kSegment;
    if (cacheable && scopes[l] == Scope::kSegment) continue;
    const bool projections_cached = cacheable && scopes[l - 1] == Scope::kSegment;
    const bool read_first = execution != Execution::kFull && first_only && l + 1 == num_layers;
    for (const Token& q : tokens) {
      const bool computed = execution == Execution::kFull || !q.duplicate[scope];
      const bool entering = execution == Execution::kFull || !q.duplicate[scope_before];
      const bool finished = computed && (!read_first || q.first_of[2]);
      double projections = 0;
      if (!projections_cached) projections += 2 * entering + (read_first ? finished : entering);
      projections += finished;
      double pairs = 0;
      for (const Token& k : tokens) pairs += finished && q.unit_of[scope] == k.unit_of[scope];
      const double scores = pairs * 2 * 2 * kWidths.hidden;
      total.score_context += scores;
      total.attention += scores + projections * 2 * kWidths.hidden * kWidths.hidden;
      total.encoder += scores + projections * 2 * kWidths.hidden * kWidths.hidden +
                       finished * 2.0 * 2 * kWidths.hidden * kWidths.intermediate;
    }
  }
  return total;
}

// The second count of schedules with a one-sided stage at the end, of an example of two or more
// segments without groups: the rows of each layer, as the paper's idea says.
Flops count_one_sided(const Dataset& dataset, const PackPlan& plan, Execution execution) {
  const TokenizedExample& example = dataset.example(0);
  const auto rows_of = [&](const std::set<int32_t>& segments) {
    double rows = 0;
    for (int32_t s : segments) rows += static_cast<double>(dataset.length(s));
    return rows;
  };
  const std::set<int32_t> all(example.sequences.begin(), example.sequences.end()),
      others(example.sequences.begin() + 1, example.sequences.end());
  const auto whole = static_cast<double>(dataset.example_length(0)),
             first = static_cast<double>(dataset.length(example.sequences[0]));
  const bool cached = execution == Execution::kLaitCached;
  int64_t layers = 0, layer = 0;
  for (const Stage& stage : plan.schedule) layers += stage.num_layers;
  double pairs = 0, projected = 0, finished = 0;
  bool joint = false, one_sided = false;
  for (const Stage& stage : plan.schedule) {
    for (int64_t i = 0; i < stage.num_layers; ++i, ++layer) {
      const bool in_cache = cached && plan.schedule[0].scope == Scope::kSegment;
      if (stage.scope == Scope::kSegment) {
        if (in_cache) continue;
        for (int32_t s : all) pairs += static_cast<double>(dataset.length(s) * dataset.length(s));
        projected += 4 * rows_of(all);
        finished += rows_of(all);
      } else if (stage.updates == Updates::kAll) {
        const double entering = joint ? whole : rows_of(all);
        projected += (!joint && in_cache ? 0 : 3 * entering) + whole;
        pairs += whole * whole;
        finished += whole;
        joint = true;
      } else {
        const double queries = layer + 1 == layers ? 1 : first;
        const double kept = joint ? whole - first : rows_of(others),
                     entering = joint ? whole : rows_of(all);
        const double keys = one_sided ? first + (in_cache && !joint ? 0 : kept) : entering;
        projected += queries + (!one_sided && !joint && in_cache ? 0 : queries + 2 * keys);
        pairs += queries * whole;
        finished += queries;
        one_sided = true;
      }
    }
  }
  const auto width = static_cast<double>(kWidths.hidden),
             inner = static_cast<double>(kWidths.intermediate);
  Flops out;
  out.score_context = 4 * width * pairs;
  out.attention = out.score_context + 2 * width * width * projected;
  out.encoder = out.attention + 4 * width * inner * finished;
  return out;
}

TEST(Flops, OfOneSidedStagesEqualASecondCount) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](uint32_t n) { return static_cast<int64_t>(random() % n); };
    Example example;
    for (int64_t s = 0, size = 2 + below(3); s < size; ++s) {
      const int64_t name = below(3);
      example.segments.push_back(text_of(std::to_string(name) + "s", 3 + 2 * name));
    }
    const PackPlan plan{.schedule = {{1 + below(2), Scope::kSegment},
                                     {below(3), Scope::kExample},
                                     {1 + below(3), Scope::kExample, Updates::kFirst}},
                        .reads = kClsSegments};
    const Dataset dataset = make_dataset({example}, SegmentFormat::kStandalone);
    const FlopCounts counts = example_flops(dataset, 0, plan, costs());
    for (const auto& [got, execution, name] :
         {std::tuple{counts.lait, Execution::kLait, "lait"},
          {counts.lait_cached, Execution::kLaitCached, "lait_cached"}}) {
      const Flops expected = count_one_sided(dataset, plan, execution);
      expect_flops(got, expected.score_context, expected.attention, expected.encoder,
                   "seed " + std::to_string(seed) + ", " + name);
    }
  }
}

TEST(Flops, EqualASecondCount) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    Example example;
    const int num_segments = draw(1, 5);
    for (int s = 0, group = 0; s < num_segments; ++s) {
      const int name = draw(0, 2);
      // Not "s" + …: GCC 12 falsely warns about an overlong copy.
      example.segments.push_back(text_of(std::to_string(name) + "s", 3 + 2 * name));
      if (s > 0) group += draw(0, 1);
      example.groups.push_back(group);
    }
    PackPlan plan;
    plan.reads = kReads[draw(0, 3)];
    SegmentFormat format = SegmentFormat::kStandalone;
    if (draw(0, 4) == 0) {
      format = SegmentFormat::kPair;
      plan.schedule = {{draw(1, 3), Scope::kExample}};
    } else {
      plan.schedule = {{draw(0, 2), Scope::kSegment},
                       {draw(0, 2), Scope::kGroup},
                       {draw(0, 2), Scope::kExample}};
      if (plan.schedule[0].num_layers + plan.schedule[1].num_layers + plan.schedule[2].num_layers ==
          0)
        plan.schedule[2].num_layers = 1;
    }
    const Dataset dataset = make_dataset({example}, format);
    const FlopCounts counts = example_flops(dataset, 0, plan, costs());
    const std::string what = "seed " + std::to_string(seed);
    auto expect_equal = [&](const Flops& got, Execution execution, const char* name) {
      const Flops expected = count_by_loops(dataset, plan, execution);
      expect_flops(got, expected.score_context, expected.attention, expected.encoder,
                   what + ", " + name);
    };
    expect_equal(counts.full, Execution::kFull, "full");
    expect_equal(counts.lait, Execution::kLait, "lait");
    expect_equal(counts.lait_cached, Execution::kLaitCached, "lait_cached");
  }
}

}  // namespace
}  // namespace lait
