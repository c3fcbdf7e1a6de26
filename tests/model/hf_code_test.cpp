// modeling_lait.py: transformers runs, with it, what it has no class for, and gives our logits: at
// several P and groups, in both formats, with every pooling and both heads, for each family.
#include "lait/model/hf_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/files.h"
#include "lait/data/batches.h"
#include "lait/model/checkpoint.h"
#include "tests/model/damaged_files.h"
#include "tests/model/small_bert.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kTolerance = 1e-4;
constexpr int64_t kLayers = 6;

struct Case {
  std::string name;
  Schedule schedule;
  SegmentFormat format;
  Pooling pooling;
  // A set of the parity oracle's texts.
  const char* texts = "small";
  HeadKind head = HeadKind::kClassifier;
  int64_t max_tokens = 128;
};

std::vector<Case> cases() {
  using enum Scope;
  using enum Pooling;
  constexpr Updates kFirst = Updates::kFirst;
  const auto standalone = SegmentFormat::kStandalone, pair = SegmentFormat::kPair;
  const auto split = [](int64_t p) { return split_schedule(p, kLayers); };
  const Schedule groups{{2, kSegment}, {2, kGroup}, {2, kExample}};
  return {{"p0_cls", split(0), standalone, kCls},
          {"p0_cls_segments", split(0), standalone, kClsSegments},
          {"p3_cls", split(3), standalone, kCls},
          {"p3_mean", split(3), standalone, kMean},
          {"p3_segments", split(3), standalone, kSegments},
          {"p3_cls_segments", split(3), standalone, kClsSegments},
          {"p5_regression", split(5), standalone, kClsSegments, "small", HeadKind::kRegression},
          {"p6_segments", split(6), standalone, kSegments},
          {"p6_cls_segments", split(6), standalone, kClsSegments},
          {"pair_mean", split(0), pair, kMean},
          {"pair_cls_segments", split(0), pair, kClsSegments, "pairs"},
          {"pair_of_four", split(0), pair, kSegments, "tuples", HeadKind::kClassifier, 60},
          {"one_segment", split(3), standalone, kClsSegments, "single"},
          {"four_segments", split(4), standalone, kClsSegments, "tuples"},
          {"groups", groups, standalone, kClsSegments, "tuples"},
          {"groups_only", {{6, kGroup}}, standalone, kSegments, "tuples"},
          {"one_sided", {{3, kSegment}, {3, kExample, kFirst}}, standalone, kClsSegments},
          {"one_sided_tuples",
           {{1, kSegment}, {2, kExample}, {3, kExample, kFirst}},
           standalone,
           kCls,
           "tuples"}};
}

std::vector<Example> examples_of(const json& cases, const std::string& set) {
  constexpr size_t kMost = 18;
  std::vector<Example> out;
  for (const json& e : cases.at("sets").at(set)) {
    if (out.size() == kMost) break;
    Example& example = out.emplace_back();
    e.at("segments").get_to(example.segments);
    example.groups = e.value("groups", std::vector<int32_t>{});
  }
  // Special tokens in the text; RoBERTa's positions leave out padding tokens wherever they stand.
  if (set == "small" || set == "pairs")
    out.push_back({.segments = {"it <pad> is [SEP] a </s> kind", "<s> of [PAD] thing <pad>"}});
  return out;
}

// The logits of the examples, in their order.
at::Tensor logits_of(Model& model, const Dataset& dataset) {
  std::vector<int64_t> all(dataset.size());
  std::iota(all.begin(), all.end(), 0);
  return model->forward(batch_of(model, dataset, all), {}).values;
}

class HfCode : public testing::TestWithParam<const char*> {};

TEST_P(HfCode, GivesOurLogits) {
  LAIT_SKIP_WITHOUT_ORACLE();
  at::NoGradGuard no_grad;
  const fs::path oracle = oracle::outputs("model", GetParam());
  const json texts = oracle::read_json(oracle / "cases.json");
  const auto tokenizer = load_tokenizer(oracle / "head");
  const TemporaryFolder folder;
  json runs = json::array();
  std::map<std::string, at::Tensor> expected;
  for (const Case& c : cases()) {
    const ModelSpec spec{.schedule = c.schedule,
                         .format = c.format,
                         .pooling = c.pooling,
                         .head = c.head,
                         .max_segment_tokens = c.max_tokens,
                         .task = "jsonl",
                         .labels = c.head == HeadKind::kRegression
                                       ? std::vector<std::string>{}
                                       : std::vector<std::string>{"a", "b", "c"}};
    Model model = load_pretrained(oracle / "head", spec, {}, at::kFloat, /*seed=*/5);
    for (auto& named : model->head->named_parameters()) {
      if (named.key().starts_with("output.")) named.value().mul_(20).add_(0.01);
    }
    model->refresh_shadows();
    const std::vector<Example> examples = examples_of(texts, c.texts);
    expected[c.name] = logits_of(
        model, Dataset(examples, *tokenizer, spec.tokenize_options(model->config, *tokenizer)));
    save_checkpoint(model, folder / c.name, {.hf_code = true});
    tokenizer->save(folder / c.name);
    json& run = runs.emplace_back(json{{"name", c.name}, {"dir", folder / c.name}});
    for (const Example& example : examples)
      run["examples"].push_back({{"segments", example.segments}, {"groups", example.groups}});
    EXPECT_EQ(load_checkpoint(folder / c.name, at::kFloat)->spec.pooling, c.pooling);
  }
  folder.write("cases.json", runs.dump());
  // Each test has its own cache of modules that transformers makes of modeling_lait.py.
  oracle::run("hf_code_run.py",
              oracle::in_quotes(folder / "cases.json") + " " +
                  oracle::in_quotes(folder / "logits.safetensors"),
              folder / "log.txt", "HF_MODULES_CACHE=" + oracle::in_quotes(folder / "cache") + " ");
  const auto logits = oracle::read_tensors(folder / "logits.safetensors");
  ASSERT_EQ(logits.size(), expected.size());
  for (const auto& [name, ours] : expected) {
    EXPECT_LE(oracle::max_difference(logits.at(name), ours), kTolerance) << name;
    EXPECT_GT(ours.std().item<double>(), 100 * kTolerance) << name;
  }
  // Another schedule gives other logits, so the code follows the schedule.
  EXPECT_GT(oracle::max_difference(logits.at("p0_cls"), logits.at("p3_cls")), 10 * kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Models, HfCode,
                         testing::Values("minilm", "random_mpnet", "random_roberta"),
                         [](const auto& info) { return std::string(info.param); });

TEST(HfCodeFile, IsWrittenOnlyWhereItIsAskedForAndNeeded) {
  const SmallBert bert;
  const TemporaryFolder folder;
  const ModelSpec own = bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls),
                  stock = bert.spec(0, SegmentFormat::kPair, Pooling::kCls);
  const auto save = [&](const ModelSpec& spec, bool hf_code) {
    fs::remove_all(folder / "c");
    save_checkpoint(bert.model(spec, at::kFloat), folder / "c", {.hf_code = hf_code});
    return oracle::read_json(folder / "c" / "config.json");
  };
  EXPECT_EQ(save(own, true).at("auto_map").at("AutoConfig"), "modeling_lait.LaitConfig");
  EXPECT_EQ(read_file(folder / "c" / "modeling_lait.py"),
            read_file(fs::path(LAIT_SOURCE_DIR) / "lait/model/modeling_lait.py"));
  const json without = save(own, false);
  EXPECT_EQ(without.at("model_type"), "lait");
  EXPECT_EQ(without.at("base_model_type"), "bert");
  EXPECT_FALSE(without.contains("auto_map") || without.contains("lait"));
  EXPECT_FALSE(fs::exists(folder / "c" / "modeling_lait.py"));
  const json of_stock = save(stock, true);
  EXPECT_EQ(of_stock.at("model_type"), "bert");
  EXPECT_EQ(of_stock.at("architectures"), json::array({"BertForSequenceClassification"}));
  EXPECT_FALSE(of_stock.contains("auto_map") || of_stock.contains("base_model_type"));
  EXPECT_FALSE(fs::exists(folder / "c" / "modeling_lait.py"));
  // A pooling or format that no class of transformers has.
  EXPECT_EQ(save(bert.spec(0, SegmentFormat::kPair, Pooling::kMean), false).at("model_type"),
            "lait");
  EXPECT_EQ(save(bert.spec(0, SegmentFormat::kStandalone, Pooling::kCls), false).at("model_type"),
            "lait");
}

TEST(HfCodeFile, SettingsThatContradictLaitYamlAreRefused) {
  const SmallBert bert;
  const TemporaryFolder folder;
  save_checkpoint(bert.model(bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls), at::kFloat),
                  folder.path(), {.hf_code = true});
  EXPECT_EQ(spec_at(folder.path(), 1).independent_layers(), 1);
  json config = oracle::read_json(folder / "config.json");
  config["lait"]["schedule"][0]["num_layers"] = 1;
  folder.write("config.json", config.dump());
  EXPECT_THAT(error_of([&] { spec_at(folder.path()); }),
              testing::HasSubstr((folder / "lait.yaml").string() +
                                 " does not belong to config.json: expected the settings in "
                                 "config.json's \"lait\", got others"));
}

}  // namespace
}  // namespace lait
