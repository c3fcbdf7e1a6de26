// Parity: our packed models against transformers (P = 0, pair format) and against PyTorch with an
// explicit dense block mask (P = 0 … L, groups, every pooling). The models: MiniLM, random models
// of the other families' shapes, and all-mpnet-base-v2 if set-up fetched it. Logits and last hidden
// states, fp32, largest absolute difference 1e-4. The specification is
// tests/oracles/model_dense.py; the texts are WordNet's.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "lait/data/batches.h"
#include "lait/data/dataset.h"
#include "lait/data/packing.h"
#include "lait/model/checkpoint.h"
#include "lait/text/tokenizer.h"
#include "tests/model/small_bert.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kTolerance = 1e-4;
constexpr double kReloadTolerance = 1e-5;

// The oracle's cases for a model of L layers.
std::vector<std::string> cases_of(int64_t layers) {
  std::vector<std::string> cases{"pair_cls", "pair"};
  for (int64_t p = 0; p <= layers; ++p) cases.push_back("p" + std::to_string(p));
  for (const char* other :
       {"single", "tuples_pair", "segment_group_example", "group_example", "segment_example",
        "segment_group", "one_sided", "one_sided_after_joint", "one_sided_p0"})
    cases.push_back(other);
  return cases;
}

const std::map<std::string, Pooling> kPoolings = {{"cls", Pooling::kCls},
                                                  {"mean", Pooling::kMean},
                                                  {"segments", Pooling::kSegments},
                                                  {"cls_segments", Pooling::kClsSegments}};
const std::map<std::string, Scope> kScopes = {
    {"segment", Scope::kSegment}, {"group", Scope::kGroup}, {"example", Scope::kExample}};

struct Oracle {
  explicit Oracle(const std::string& model) : dir(oracle::outputs("model", model)) {}

  fs::path dir;
  json cases = oracle::read_json(dir / "cases.json");
  std::map<std::string, at::Tensor> tensors = oracle::read_tensors(dir / "parity.safetensors");

  static const Oracle& get(const std::string& model) {
    static std::map<std::string, std::unique_ptr<Oracle>> oracles;
    std::unique_ptr<Oracle>& found = oracles[model];
    if (!found) found = std::make_unique<Oracle>(model);
    return *found;
  }
  const json& find(const std::string& name) const {
    for (const json& c : cases.at("cases")) {
      if (c.at("name") == name) return c;
    }
    throw std::runtime_error("cases.json has no case " + name);
  }
  std::vector<Example> examples(const std::string& set) const {
    std::vector<Example> out;
    for (const json& e : cases.at("sets").at(set)) {
      Example& example = out.emplace_back();
      e.at("segments").get_to(example.segments);
      example.groups = e.value("groups", std::vector<int32_t>{});
    }
    return out;
  }
};

ModelSpec spec_of(const json& c, Pooling pooling) {
  ModelSpec spec;
  for (const json& stage : c.at("schedule"))
    spec.schedule.push_back(
        {stage[0], kScopes.at(stage[1]), stage.size() > 2 ? Updates::kFirst : Updates::kAll});
  spec.format = c.at("format") == "pair" ? SegmentFormat::kPair : SegmentFormat::kStandalone;
  spec.pooling = pooling;
  spec.head = HeadKind::kClassifier;
  spec.max_segment_tokens = 512;
  spec.task = "jsonl";
  spec.labels = {"0", "1", "2"};
  return spec;
}

at::Tensor output(const Model& model, const std::string& name) {
  return model->head->named_parameters()["output." + name];
}

// `cls` takes its classifier from the checkpoint; the other poolings' heads fit no checkpoint and
// are set.
Model make_model(const Oracle& oracle, const ModelSpec& spec, const std::string& pooling,
                 at::ScalarType dtype) {
  Model model = load_pretrained(oracle.dir / "head", spec, {}, dtype, /*seed=*/1);
  const at::Tensor &weight = oracle.tensors.at("head." + pooling + ".weight"),
                   &bias = oracle.tensors.at("head." + pooling + ".bias");
  if (pooling != "cls") {
    at::NoGradGuard no_grad;
    output(model, "weight").copy_(weight);
    output(model, "bias").copy_(bias);
    model->refresh_shadows();
  }
  EXPECT_TRUE(at::equal(output(model, "weight"), weight) && at::equal(output(model, "bias"), bias))
      << pooling;
  return model;
}

// The final states of each example's rows, or of its first segment's under a one-sided schedule;
// one tensor per example.
std::vector<at::Tensor> rows_of_examples(Model& model, const Dataset& dataset,
                                         const std::vector<int64_t>& indices) {
  const at::Tensor all = example_rows(model, whole_batch(model, dataset, indices));
  std::vector<at::Tensor> out;
  int64_t begin = 0;
  for (int64_t i : indices) {
    const int64_t rows = is_one_sided(model->spec.schedule)
                             ? dataset.length(dataset.example(i).sequences[0])
                             : dataset.example_length(i);
    out.push_back(all.narrow(0, begin, rows));
    begin += rows;
  }
  return out;
}

struct ParityCase {
  std::string model, name;
};
void PrintTo(const ParityCase& c, std::ostream* out) { *out << c.model << ' ' << c.name; }

class ParityTest : public testing::TestWithParam<ParityCase> {};

TEST_P(ParityTest, LogitsAndLastHiddenStates) {
  LAIT_SKIP_WITHOUT_ORACLE();
  if (!fs::exists(oracle::model_folder(GetParam().model)))
    GTEST_SKIP() << "no " << GetParam().model << "; `cmake/setup.sh mpnet` fetches it";
  at::NoGradGuard no_grad;
  const Oracle& oracle = Oracle::get(GetParam().model);
  const std::string name = GetParam().name;
  const json& c = oracle.find(name);
  const auto tokenizer = load_tokenizer(oracle.dir / "head");
  const at::Tensor lengths = oracle.tensors.at(name + ".lengths"),
                   hidden = oracle.tensors.at(name + ".hidden");
  const auto expected_rows = hidden.split_with_sizes(std::vector<int64_t>(
      lengths.data_ptr<int64_t>(), lengths.data_ptr<int64_t>() + lengths.numel()));
  bool hidden_checked = false;
  for (const std::string pooling : c.at("poolings")) {
    const ModelSpec spec = spec_of(c, kPoolings.at(pooling));
    Model model = make_model(oracle, spec, pooling, at::kFloat);
    const Dataset dataset(oracle.examples(c.at("set")), *tokenizer,
                          spec.tokenize_options(model->config, *tokenizer));
    ASSERT_EQ(dataset.size(), lengths.numel());
    const at::Tensor expected = oracle.tensors.at(name + "." + pooling + ".logits");
    double worst_logit = 0, worst_row = 0;
    for (const std::vector<int64_t>& indices : batches_by_length(dataset, 16, BatchBy::kExamples)) {
      const at::Tensor logits = model->forward(batch_of(model, dataset, indices), {}).values;
      for (size_t b = 0; b < indices.size(); ++b) {
        worst_logit =
            std::max(worst_logit, oracle::max_difference(logits[b], expected[indices[b]]));
      }
      if (hidden_checked) continue;
      const auto rows = rows_of_examples(model, dataset, indices);
      for (size_t b = 0; b < indices.size(); ++b) {
        ASSERT_EQ(rows[b].size(0), expected_rows[indices[b]].size(0))
            << "tokens of example " << indices[b];
        worst_row = std::max(worst_row, oracle::max_difference(rows[b], expected_rows[indices[b]]));
      }
    }
    EXPECT_LE(worst_logit, kTolerance) << name << ", pooling " << pooling << ": logits";
    EXPECT_LE(worst_row, kTolerance) << name << ": last hidden states";
    if (!hidden_checked) RecordProperty("hidden_" + pooling, std::to_string(worst_row));
    RecordProperty("logits_" + pooling, std::to_string(worst_logit));
    hidden_checked = true;
  }
}

std::vector<ParityCase> parity_cases() {
  std::vector<ParityCase> out;
  const auto add = [&](const std::string& model, int64_t layers) {
    for (const std::string& name : cases_of(layers)) out.push_back({model, name});
  };
  add("minilm", 6);
  add("random_mpnet", 6);
  add("random_roberta", 6);
  add("mpnet_base", 12);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Models, ParityTest, testing::ValuesIn(parity_cases()),
                         [](const auto& info) { return info.param.model + "_" + info.param.name; });

class FamilyParity : public testing::TestWithParam<const char*> {};

TEST_P(FamilyParity, EveryCaseOfTheOracleIsTested) {
  LAIT_SKIP_WITHOUT_ORACLE();
  std::set<std::string> written, tested;
  for (const json& c : Oracle::get(GetParam()).cases.at("cases")) written.insert(c.at("name"));
  for (const std::string& name : cases_of(6)) tested.insert(name);
  EXPECT_EQ(written, tested);
  EXPECT_EQ(Oracle::get(GetParam()).cases.at("sets").at("pairs").size(), 200u);
}

// Schedules differ by much more than the tolerance, so a model that ignored its schedule would
// fail.
TEST_P(FamilyParity, SchedulesDiffer) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const auto& tensors = Oracle::get(GetParam()).tensors;
  for (int p = 0; p < 6; ++p) {
    const std::string here = "p" + std::to_string(p), next = "p" + std::to_string(p + 1);
    EXPECT_GT(oracle::max_difference(tensors.at(here + ".mean.logits"),
                                     tensors.at(next + ".mean.logits")),
              100 * kTolerance);
    EXPECT_GT(oracle::max_difference(tensors.at(here + ".hidden"), tensors.at(next + ".hidden")),
              100 * kTolerance);
  }
}

// bf16 is the same model: all results are close, none is far off.
TEST_P(FamilyParity, Bf16StaysNear) {
  LAIT_SKIP_WITHOUT_ORACLE();
  at::NoGradGuard no_grad;
  const Oracle& oracle = Oracle::get(GetParam());
  const json& c = oracle.find("p3");
  const ModelSpec spec = spec_of(c, Pooling::kClsSegments);
  Model model = make_model(oracle, spec, "cls_segments", at::kBFloat16);
  const auto tokenizer = load_tokenizer(oracle.dir / "head");
  const Dataset dataset(oracle.examples(c.at("set")), *tokenizer,
                        spec.tokenize_options(model->config, *tokenizer));
  const at::Tensor expected = oracle.tensors.at("p3.cls_segments.logits");
  const double scale = expected.abs().max().item<double>();
  double worst = 0;
  for (const std::vector<int64_t>& indices : batches_by_length(dataset, 16, BatchBy::kExamples)) {
    const at::Tensor logits = model->forward(batch_of(model, dataset, indices), {}).values;
    for (size_t b = 0; b < indices.size(); ++b)
      worst = std::max(worst, oracle::max_difference(logits[b], expected[indices[b]]));
  }
  RecordProperty("worst_relative", std::to_string(worst / scale));
  EXPECT_LE(worst, 0.05 * scale);
  EXPECT_GT(worst, kTolerance) << "bf16 gave fp32's results";
}

// transformers reads a checkpoint that we write: the same logits as from the checkpoint that it
// wrote itself.
TEST_P(FamilyParity, TransformersReadsOurCheckpoint) {
  LAIT_SKIP_WITHOUT_ORACLE();
  constexpr int64_t kExamples = 40;
  const Oracle& oracle = Oracle::get(GetParam());
  const ModelSpec spec = spec_of(oracle.find("pair_cls"), Pooling::kCls);
  // The head is taken with the oracle's names, and saved with others.
  const std::vector<std::string> labels = {"entailment", "neutral", "contradiction"};
  const fs::path dir = fs::path(testing::TempDir()) / ("lait_reload_" + std::to_string(::getpid()));
  fs::create_directories(dir);
  Model model = make_model(oracle, spec, "cls", at::kFloat);
  model->spec.labels = labels;
  save_checkpoint(model, dir);
  load_tokenizer(oracle.dir / "head")->save(dir);
  oracle::run("model_reload.py",
              "'" + dir.string() + "' '" + (oracle.dir / "cases.json").string() + "' '" +
                  (dir / "logits.safetensors").string() + "' " + std::to_string(kExamples),
              dir / "log.txt");
  const at::Tensor reloaded = oracle::read_tensors(dir / "logits.safetensors").at("logits");
  EXPECT_LE(oracle::max_difference(
                reloaded, oracle.tensors.at("pair_cls.cls.logits").narrow(0, 0, kExamples)),
            kReloadTolerance);
  const json config = oracle::read_json(dir / "config.json");
  EXPECT_EQ(config.at("id2label"),
            (json{{"0", "entailment"}, {"1", "neutral"}, {"2", "contradiction"}}));
  const json original = oracle::read_json(oracle.dir / "head" / "config.json");
  EXPECT_EQ(config.at("architectures"), original.at("architectures"));
  EXPECT_EQ(config.at("model_type"), original.at("model_type"));

  Model again = load_checkpoint(dir, at::kFloat);
  for (const auto& parameter : make_model(oracle, spec, "cls", at::kFloat)->named_parameters()) {
    EXPECT_TRUE(at::equal(parameter.value(), again->named_parameters()[parameter.key()]))
        << parameter.key();
  }
  EXPECT_EQ(again->spec.labels, labels);
  EXPECT_EQ(again->spec.schedule, spec.schedule);
  fs::remove_all(dir);
}

INSTANTIATE_TEST_SUITE_P(Models, FamilyParity,
                         testing::Values("minilm", "random_mpnet", "random_roberta"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace lait
