// Heads of checkpoints: outputs go by the names of their labels, never by position; another kind,
// pooling or class is another head; lait.yaml and config.json must say the same.
#include "lait/model/stored_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/files.h"
#include "lait/model/checkpoint.h"
#include "lait/model/head.h"
#include "lait/model/hf_labels.h"
#include "tests/model/damaged_files.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Names = std::vector<std::string>;

const Names kLabels{"contradiction", "entailment", "neutral"};

HeadMatch match(const StoredHead& stored, Pooling pooling = Pooling::kCls,
                const Names& labels = kLabels) {
  ModelSpec spec;
  spec.head = labels.empty() ? HeadKind::kRegression : HeadKind::kClassifier;
  spec.pooling = pooling;
  spec.labels = labels;
  return match_head(stored, spec);
}

StoredHead stored(Names labels) { return {.kind = HeadKind::kClassifier, .labels = labels}; }

TEST(MatchHead, ProblemTypesNameHeads) {
  for (const HeadInfo& head : all_heads()) {
    if (!head.pools) continue;
    const HeadKind first = *hf_head_kind({{"problem_type", head.problem_type}}, 1);
    EXPECT_STREQ(find_head(first).problem_type, head.problem_type);
  }
  EXPECT_EQ(hf_head_kind({{"problem_type", "single_label_classification"}}, 3),
            HeadKind::kClassifier);
  EXPECT_EQ(hf_head_kind({{"problem_type", "multi_label_classification"}}, 3), std::nullopt);
  EXPECT_EQ(hf_head_kind({{"problem_type", ""}}, 2), std::nullopt);
  EXPECT_EQ(hf_head_kind(Json::object(), 1), HeadKind::kRegression);
  EXPECT_EQ(hf_head_kind({{"problem_type", nullptr}}, 2), HeadKind::kClassifier);
}

TEST(MatchHead, LabelsGoByName) {
  EXPECT_THAT(match(stored(kLabels)).order, IsEmpty());
  EXPECT_EQ(match(stored(kLabels)).problem, "");
  EXPECT_THAT(match(stored({"entailment", "neutral", "contradiction"})).order,
              ElementsAre(2, 0, 1));
  EXPECT_THAT(match(stored({"ENTAILMENT", "Neutral", "contradiction"})).order,
              ElementsAre(2, 0, 1));
  EXPECT_THAT(match(stored({"CONTRADICTION", "ENTAILMENT", "NEUTRAL"})).order, IsEmpty());
  EXPECT_THAT(match(stored({"ÄRGER", "b"}), Pooling::kCls, {"b", "ärger"}).order,
              ElementsAre(1, 0));
  // Case that tells two labels apart is kept.
  EXPECT_THAT(match(stored({"b", "A", "a"}), Pooling::kCls, {"A", "a", "b"}).order,
              ElementsAre(1, 2, 0));
  EXPECT_EQ(match(stored({"B", "A", "a"}), Pooling::kCls, {"A", "a", "b"}).problem,
            "head has other labels");
}

TEST(MatchHead, SaysWhyAHeadIsNotTaken) {
  EXPECT_EQ(match(stored({"entailment", "neutral", "other"})).problem, "head has other labels");
  EXPECT_EQ(match(stored({"entailment", "neutral"})).problem, "head has other labels");
  EXPECT_EQ(match(stored({})).problem, "labels have no names");
  EXPECT_EQ(match(stored(kLabels), Pooling::kMean).problem, "head has pooling cls");
  EXPECT_EQ(match(stored(kLabels), Pooling::kCls, {}).problem, "head is a classifier");
  EXPECT_EQ(match({.kind = HeadKind::kRegression}).problem, "head is a regression");
  EXPECT_EQ(match({.kind = HeadKind::kRegression}, Pooling::kCls, {}).problem, "");
  EXPECT_EQ(match({.kind = std::nullopt, .labels = kLabels}).problem, "problem_type is another");
  StoredHead tokens = stored(kLabels);
  tokens.other_class = "BertForTokenClassification";
  EXPECT_EQ(match(tokens).problem, "head is BertForTokenClassification's");
}

class StoredHeadTest : public testing::Test {
 protected:
  ModelSpec spec(Pooling pooling = Pooling::kCls, const Names& labels = kLabels) const {
    ModelSpec spec = bert_.spec(0, SegmentFormat::kPair, pooling);
    spec.labels = labels;
    spec.head = labels.empty() ? HeadKind::kRegression : HeadKind::kClassifier;
    return spec;
  }
  Model save(const ModelSpec& spec) const {
    Model model = bert_.model(spec, at::kFloat);
    save_checkpoint(model, folder_.path());
    return model;
  }
  // As transformers would have written it: without lait.yaml, and with other fields.
  void make_stock(const Json& changes) const {
    fs::remove(folder_ / "lait.yaml");
    change_config(changes);
  }
  void change_config(const Json& changes) const {
    Json json = Json::parse(read_file(folder_ / "config.json"));
    json.update(changes);
    folder_.write("config.json", json.dump());
  }
  Model load(const ModelSpec& spec) const {
    return load_pretrained(folder_.path(), spec, {}, at::kFloat, /*seed=*/3);
  }
  // The output layer of a head made anew with the seed.
  at::Tensor fresh(const ModelSpec& spec) const {
    const auto head =
        find_head(spec.head).make(bert_.config(), {.pooling = spec.pooling, .labels = spec.labels});
    head->initialise(/*seed=*/3, bert_.config().initializer_range);
    return head->output_weight();
  }
  static at::Tensor bias(const Model& model) {
    return model->head->named_parameters()["output.bias"];
  }

  TemporaryFolder folder_;
  const SmallBert bert_;
};

TEST_F(StoredHeadTest, OutputsArePermutedByName) {
  const Model saved = save(spec());
  make_stock({{"id2label", {{"0", "ENTAILMENT"}, {"1", "NEUTRAL"}, {"2", "CONTRADICTION"}}},
              {"label2id", {{"ENTAILMENT", 0}, {"NEUTRAL", 1}, {"CONTRADICTION", 2}}}});
  const Model model = load(spec());
  EXPECT_EQ(model->head_origin, "the checkpoint's, its labels reordered by name");
  const at::Tensor order = at::tensor(std::vector<int64_t>{2, 0, 1});
  EXPECT_TRUE(
      at::equal(model->head->output_weight(), saved->head->output_weight().index_select(0, order)));
  EXPECT_TRUE(at::equal(bias(model), bias(saved).index_select(0, order)));
  EXPECT_FALSE(at::equal(bias(model), bias(saved)));
}

TEST_F(StoredHeadTest, OwnCheckpointsToo) {
  const Model saved = save(spec(Pooling::kMean, {"neutral", "contradiction", "entailment"}));
  const Model model = load(spec(Pooling::kMean));
  EXPECT_EQ(model->head_origin, "the checkpoint's, its labels reordered by name");
  EXPECT_TRUE(at::equal(bias(model),
                        bias(saved).index_select(0, at::tensor(std::vector<int64_t>{1, 2, 0}))));
  EXPECT_EQ(load(spec(Pooling::kMean, {"neutral", "contradiction", "entailment"}))->head_origin,
            "the checkpoint's");
}

TEST_F(StoredHeadTest, LabelsWithoutNamesAreNotTaken) {
  const Names unnamed{"LABEL_0", "LABEL_1", "LABEL_2"};
  save(spec(Pooling::kCls, unnamed));
  // Of our own checkpoint they are the names.
  EXPECT_EQ(load(spec(Pooling::kCls, unnamed))->head_origin, "the checkpoint's");
  make_stock(Json::object());
  for (const Names& labels : {kLabels, unnamed}) {
    const Model model = load(spec(Pooling::kCls, labels));
    EXPECT_EQ(model->head_origin, "new, since the checkpoint's labels have no names");
    EXPECT_TRUE(at::equal(model->head->output_weight(), fresh(model->spec)));
  }
}

TEST_F(StoredHeadTest, AHeadOfAnotherPoolingIsNotTakenThoughItFits) {
  const Model saved = save(spec());
  const Model model = load(spec(Pooling::kMean));
  ASSERT_EQ(model->head->output_weight().sizes(), saved->head->output_weight().sizes());
  EXPECT_EQ(model->head_origin, "new, since the checkpoint's head has pooling cls");
  EXPECT_TRUE(at::equal(model->head->output_weight(), fresh(model->spec)));
  make_stock(Json::object());
  EXPECT_EQ(load(spec(Pooling::kMean))->head_origin,
            "new, since the checkpoint's head has pooling cls");
  save_checkpoint(load(spec(Pooling::kMean)), folder_.path());
  EXPECT_EQ(load(spec())->head_origin, "new, since the checkpoint's head has pooling mean");
}

TEST_F(StoredHeadTest, RegressionsAreTakenByRegressionsOnly) {
  const Model saved = save(spec(Pooling::kCls, {}));
  for (const bool stock : {false, true}) {
    if (stock) make_stock({{"problem_type", nullptr}});
    const Model model = load(spec(Pooling::kCls, {}));
    EXPECT_EQ(model->head_origin, "the checkpoint's");
    EXPECT_TRUE(at::equal(model->head->output_weight(), saved->head->output_weight()));
    EXPECT_EQ(load(spec())->head_origin, "new, since the checkpoint's head is a regression");
  }
  make_stock(
      {{"problem_type", nullptr}, {"id2label", nullptr}, {"label2id", nullptr}, {"num_labels", 1}});
  EXPECT_EQ(load(spec())->head_origin, "new, since the checkpoint's head is a regression");
  EXPECT_EQ(load(spec(Pooling::kCls, {}))->head_origin, "the checkpoint's");
  make_stock({{"problem_type", "multi_label_classification"}});
  EXPECT_EQ(load(spec(Pooling::kCls, {}))->head_origin,
            "new, since the checkpoint's head is a relevance");
  make_stock({{"problem_type", "of another kind"}});
  EXPECT_EQ(load(spec(Pooling::kCls, {}))->head_origin,
            "new, since the checkpoint's problem_type is another");
}

TEST_F(StoredHeadTest, AHeadOfAnotherClassIsNotTaken) {
  save(spec());
  make_stock({{"architectures", {"BertForTokenClassification"}}});
  EXPECT_EQ(load(spec())->head_origin,
            "new, since the checkpoint's head is BertForTokenClassification's");
}

TEST_F(StoredHeadTest, WeightsThatAreNotFiniteAreNotLoaded) {
  Model model = save(spec());
  {
    at::NoGradGuard no_grad;
    bias(model)[1] = NAN;
  }
  std::vector<std::pair<std::string, at::Tensor>> tensors{{"classifier.bias", bias(model)}};
  const CheckpointTensors saved(folder_.path(), bert_.config().family->tensor_names());
  for (const std::string& name : saved.names()) {
    if (name != "classifier.bias") tensors.emplace_back(name, saved.tensor(name));
  }
  write_safetensors(folder_ / "model.safetensors", tensors);
  EXPECT_THAT(error_of([&] { load_checkpoint(folder_.path(), at::kFloat); }),
              HasSubstr(folder_.path().string() +
                        ": expected finite weights, got NaN or infinity in classifier.bias (NaN)"));
}

TEST_F(StoredHeadTest, FilesThatContradictEachOtherAreRefused) {
  struct Case {
    Json changes;
    std::string error;
  };
  const Json original = [&] {
    save(spec());
    return Json::parse(read_file(folder_ / "config.json"));
  }();
  const Case cases[] = {
      {{{"id2label", {{"0", "entailment"}, {"1", "contradiction"}, {"2", "neutral"}}},
        {"label2id", nullptr}},
       "labels: expected 'entailment' as label 0, as id2label says, got 'contradiction'"},
      {{{"id2label", {{"0", "contradiction"}, {"1", "entailment"}}}, {"label2id", nullptr}},
       "labels: expected 2, as id2label has, got 3"},
      {{{"id2label", nullptr}, {"label2id", nullptr}, {"num_labels", 2}},
       "labels: expected 2, as num_labels says, got 3"},
      {{{"id2label", nullptr}, {"label2id", nullptr}, {"problem_type", nullptr}, {"num_labels", 1}},
       "labels: expected 1, as num_labels says, got 3"},
      {{{"problem_type", "regression"}},
       "model.head: expected one for problem_type \"regression\", got classifier"}};
  for (const Case& c : cases) {
    folder_.write("config.json", original.dump());
    change_config(c.changes);
    const std::string expected =
        (folder_ / "lait.yaml").string() + " does not belong to config.json: " + c.error;
    EXPECT_THAT(error_of([&] { load(spec()); }), HasSubstr(expected));
    EXPECT_THAT(error_of([&] { load_checkpoint(folder_.path(), at::kFloat); }),
                HasSubstr(expected));
    EXPECT_THAT(error_of([&] { spec_at(folder_.path()); }), HasSubstr(expected));
  }
  folder_.write("config.json", original.dump());
  change_config({{"id2label", nullptr}, {"label2id", nullptr}, {"num_labels", 3}});
  EXPECT_EQ(load(spec())->head_origin, "the checkpoint's") << "lait.yaml has the names";
}

}  // namespace
}  // namespace lait
