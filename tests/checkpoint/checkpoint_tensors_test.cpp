// Hugging Face directories: one file or shards, the names of every BERT class, and one message for
// everything that does not fit.
#include "lait/checkpoint/checkpoint_tensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "lait/base/files.h"
#include "tests/model/damaged_files.h"

namespace lait {
namespace {

// As in BERT's checkpoints.
const TensorNames kNames{
    .prefix = "bert.",
    .encoder_parts = {"embeddings.", "encoder.", "pooler."},
    .renamed_ends = {{"LayerNorm.gamma", "LayerNorm.weight"}, {"LayerNorm.beta", "LayerNorm.bias"}},
    .ignorable = {"bert.embeddings.position_ids", "bert.pooler.", "cls.", "classifier.",
                  "qa_outputs."}};

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kIndex = "model.safetensors.index.json";
const std::string kQuery = "bert.encoder.layer.0.attention.self.query.weight";

std::string index_of(const std::map<std::string, std::string>& weight_map) {
  return nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}}.dump();
}

TEST(CheckpointTensors, OneFile) {
  TemporaryFolder dir;
  write_safetensors(dir / "model.safetensors",
                    {{kQuery, at::ones({2, 2})}, {"classifier.bias", at::zeros({3})}});
  const CheckpointTensors tensors(dir.path(), kNames);
  EXPECT_THAT(tensors.names(), ElementsAre(kQuery, "classifier.bias"));
  EXPECT_TRUE(tensors.has(kQuery));
  EXPECT_FALSE(tensors.has("classifier.weight"));
  EXPECT_TRUE(at::equal(tensors.tensor(kQuery), at::ones({2, 2})));
  EXPECT_THAT(error_of([&] { tensors.tensor("nothing"); }),
              HasSubstr("expected a tensor 'nothing', got none of that name"));
}

TEST(CheckpointTensors, NamesOfABareModelAndOfOldOnes) {
  TemporaryFolder dir;
  write_safetensors(dir / "model.safetensors",
                    {{"encoder.layer.0.attention.self.query.weight", at::ones({1})},
                     {"embeddings.LayerNorm.gamma", at::full({1}, 2.)},
                     {"embeddings.LayerNorm.beta", at::full({1}, 3.)},
                     {"pooler.dense.bias", at::full({1}, 4.)},
                     {"embeddings.position_ids", at::zeros({1}, at::kLong)}});
  const CheckpointTensors tensors(dir.path(), kNames);
  EXPECT_THAT(tensors.names(),
              ElementsAre("bert.embeddings.LayerNorm.bias", "bert.embeddings.LayerNorm.weight",
                          "bert.embeddings.position_ids", kQuery, "bert.pooler.dense.bias"));
  EXPECT_EQ(tensors.tensor("bert.embeddings.LayerNorm.weight").item<float>(), 2);
  EXPECT_EQ(tensors.tensor("bert.embeddings.LayerNorm.bias").item<float>(), 3);
}

TEST(CheckpointTensors, Shards) {
  TemporaryFolder dir;
  write_safetensors(dir / "model-00001-of-00002.safetensors",
                    {{"a", at::ones({1})}, {"b", at::full({1}, 2.)}});
  write_safetensors(dir / "model-00002-of-00002.safetensors", {{"c", at::full({2}, 3.)}});
  dir.write(kIndex, index_of({{"a", "model-00001-of-00002.safetensors"},
                              {"b", "model-00001-of-00002.safetensors"},
                              {"c", "model-00002-of-00002.safetensors"}}));
  const CheckpointTensors tensors(dir.path(), kNames);
  EXPECT_THAT(tensors.names(), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(at::equal(tensors.tensor("c"), at::full({2}, 3.)));
  EXPECT_TRUE(at::equal(tensors.tensor("b"), at::full({1}, 2.)));
}

TEST(CheckpointTensors, ShardsThatAreNotWhole) {
  TemporaryFolder dir;
  dir.write(
      kIndex,
      index_of({{"a", "one.safetensors"}, {"b", "two.safetensors"}, {"c", "three.safetensors"}}));
  write_safetensors(dir / "two.safetensors", {{"z", at::ones({1})}});
  EXPECT_EQ(error_of([&] { CheckpointTensors(dir.path(), kNames); }),
            (dir / kIndex).string() +
                ": expected these files beside it, got none: 'one.safetensors', "
                "'three.safetensors'; fetch them");
  write_safetensors(dir / "one.safetensors", {{"a", at::ones({1})}});
  write_safetensors(dir / "three.safetensors", {{"c", at::ones({1})}});
  EXPECT_THAT(error_of([&] { CheckpointTensors(dir.path(), kNames); }),
              AllOf(HasSubstr("two.safetensors: expected the tensors that "
                              "model.safetensors.index.json lists, got none of 'b'"),
                    HasSubstr("fetch")));
  write_safetensors(dir / "two.safetensors", {{"b", at::ones({1})}, {"a", at::ones({1})}});
  EXPECT_THAT(
      error_of([&] { CheckpointTensors(dir.path(), kNames); }),
      HasSubstr(
          "two.safetensors: tensor 'a': expected it once, got it also as 'a' in one.safetensors"));
}

TEST(CheckpointTensors, OneTensorUnderTwoNames) {
  TemporaryFolder dir;
  write_safetensors(dir / "model.safetensors",
                    {{"encoder.x", at::ones({1})}, {"bert.encoder.x", at::ones({1})}});
  EXPECT_THAT(error_of([&] { CheckpointTensors(dir.path(), kNames); }),
              HasSubstr("tensor 'encoder.x': expected it once"));
}

TEST(CheckpointTensors, IndexesThatLie) {
  TemporaryFolder dir;
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected JSON"},
      {"[]", "expected weight_map"},
      {R"({"weight_map": 3})", "expected weight_map"},
      {R"({"weight_map": {"a": 3}})",
       "expected the name of a file beside it for tensor 'a', got number"},
      {R"({"weight_map": {"a": "../x"}})",
       "expected the name of a file beside it for tensor 'a', got '../x'"},
      {R"({"weight_map": {"a": "/etc/passwd"}})", "expected the name of a file beside it"},
      {R"({"weight_map": {"a": ""}})", "expected the name of a file beside it"},
      {R"({"weight_map": {"a": ".."}})", "not a regular file"},
      {R"({"weight_map": {"a": "x", "a": "y"}})", "expected each key once, got 'a' twice"},
      {R"({"weight_map": 1e999})", "expected JSON, got a number that is too large"},
  };
  for (const auto& [index, error] : cases) {
    SCOPED_TRACE(index);
    dir.write(kIndex, index);
    EXPECT_THAT(error_of([&] { CheckpointTensors(dir.path(), kNames); }), HasSubstr(error));
  }
  dir.write(kIndex, std::string(1'000'000, '['));
  EXPECT_THAT(error_of([&] { CheckpointTensors(dir.path(), kNames); }),
              HasSubstr("expected JSON of at most 64 levels, got more"));
}

TEST(CheckpointTensors, FoldersWithoutWeights) {
  TemporaryFolder dir;
  EXPECT_EQ(error_of([&] { CheckpointTensors(dir / "none", kNames); }),
            (dir / "none").string() +
                ": expected a Hugging Face model folder, got nothing there; check the path");
  EXPECT_THAT(error_of([&] { CheckpointTensors(dir.path(), kNames); }),
              HasSubstr("expected model.safetensors or model.safetensors.index.json, got neither"));
  dir.write("pytorch_model.bin.index.json", "{}");
  EXPECT_THAT(
      error_of([&] { CheckpointTensors(dir.path(), kNames); }),
      AllOf(HasSubstr("got pytorch_model.bin.index.json"), HasSubstr("safe_serialization=True")));
  dir.write("pytorch_model.bin", "pickle");
  EXPECT_THAT(error_of([&] { CheckpointTensors(dir.path(), kNames); }),
              AllOf(HasSubstr("expected model.safetensors, got pytorch_model.bin"),
                    HasSubstr("python -c \"import torch"), HasSubstr(dir.path().string())));
  write_safetensors(dir / "model.safetensors", {});
  CheckpointTensors ok(dir.path(), kNames);  // with safetensors there, the pickle is ignored
}

TEST(LoadInto, ConvertsAndFillsViews) {
  TemporaryFolder dir;
  write_safetensors(dir / "model.safetensors", {{"q", at::full({2, 3}, 1.5, at::kHalf)},
                                                {"k", at::full({2, 3}, 2.5, at::kBFloat16)},
                                                {"v", at::full({2, 3}, 3.5, at::kDouble)}});
  at::Tensor fused = at::zeros({6, 3});
  fused.requires_grad_(true);
  load_into(CheckpointTensors(dir.path(), kNames), {{"q", fused.detach().narrow(0, 0, 2)},
                                                    {"k", fused.detach().narrow(0, 2, 2)},
                                                    {"v", fused.detach().narrow(0, 4, 2)}});
  EXPECT_TRUE(at::equal(fused.detach().sum(1), at::tensor({4.5f, 4.5f, 7.5f, 7.5f, 10.5f, 10.5f})));
  // A leaf itself is filled, too; autograd does not record it.
  at::Tensor leaf = at::zeros({2, 3}).requires_grad_(true);
  load_into(
      CheckpointTensors(dir.path(), kNames),
      {{"q", leaf}, {"k", fused.detach().narrow(0, 0, 2)}, {"v", fused.detach().narrow(0, 0, 2)}});
  EXPECT_TRUE(leaf.is_leaf());
  EXPECT_EQ(leaf.sum().item<float>(), 9);
}

TEST(LoadInto, HeadsAreTakenOnlyWhereExpected) {
  TemporaryFolder dir;
  write_safetensors(dir / "model.safetensors", {{"bert.embeddings.position_ids", at::arange(3)},
                                                {"cls.predictions.bias", at::ones({2})},
                                                {"cls.seq_relationship.weight", at::ones({2})},
                                                {"qa_outputs.bias", at::ones({2})},
                                                {"bert.pooler.dense.bias", at::ones({2})},
                                                {"classifier.bias", at::full({2}, 7.)}});
  at::Tensor bias = at::zeros({2}), weight = at::zeros({2});
  const CheckpointTensors tensors(dir.path(), kNames);
  load_into(tensors, {});
  load_into(tensors, {{"classifier.bias", bias, /*required=*/false},
                      {"classifier.weight", weight, /*required=*/false}});
  EXPECT_TRUE(at::equal(bias, at::full({2}, 7.)));
  EXPECT_TRUE(at::equal(weight, at::zeros({2})));
}

TEST(LoadInto, SaysAllThatDoesNotFitAndTouchesNothing) {
  TemporaryFolder dir;
  write_safetensors(dir / "model.safetensors", {{"bert.good", at::ones({2})},
                                                {"bert.turned", at::ones({3, 2})},
                                                {"bert.whole", at::ones({2}, at::kLong)},
                                                {"bert.surplus", at::ones({2})},
                                                {"position_ids", at::ones({2})}});
  at::Tensor good = at::zeros({2}), turned = at::zeros({2, 3}), other = at::zeros({2});
  const CheckpointTensors tensors(dir.path(), kNames);
  const std::string error = error_of([&] {
    load_into(tensors, {{"bert.good", good},
                        {"bert.turned", turned},
                        {"bert.whole", other},
                        {"bert.gone", other},
                        {"bert.lost", other},
                        {"bert.extra", other, false}});
  });
  EXPECT_EQ(error, dir.path().string() +
                       ": expected the tensors that config.json describes, got others; use both "
                       "files of one model:\n"
                       "  missing (2): bert.gone, bert.lost\n"
                       "  unexpected (2): 'bert.surplus', 'position_ids'\n"
                       "  misshapen (1): bert.turned (expected [2, 3], got [3, 2])\n"
                       "  not floating point (1): bert.whole (Long)");
  EXPECT_TRUE(at::equal(good, at::zeros({2})));
}

TEST(LoadInto, WeightsThatAreNotFiniteAreNamedAndNothingIsTouched) {
  TemporaryFolder dir;
  at::Tensor nan = at::ones({2, 3}), infinite = at::ones({4}).to(at::kHalf),
             huge = at::full({1}, -1e300, at::kDouble);
  nan[1][0] = std::nanf("");
  infinite[3] = INFINITY;
  write_safetensors(dir / "model.safetensors", {{"bert.good", at::ones({2})},
                                                {"bert.infinite", infinite},
                                                {"bert.nan", nan},
                                                {"bert.huge", huge},
                                                {"bert.pooler.bias", nan}});
  at::Tensor good = at::zeros({2});
  const CheckpointTensors tensors(dir.path(), kNames);
  EXPECT_THAT(error_of([&] {
                load_into(tensors, {{"bert.good", good},
                                    {"bert.nan", at::zeros({2, 3})},
                                    {"bert.infinite", at::zeros({4})},
                                    {"bert.huge", at::zeros({1})}});
              }),
              HasSubstr(dir.path().string() +
                        ": expected finite weights, got NaN or infinity in bert.nan (NaN), "
                        "bert.infinite (infinity), bert.huge (infinity); "));
  EXPECT_TRUE(at::equal(good, at::zeros({2})));
}

TEST(LoadInto, LongListsEndInACount) {
  TemporaryFolder dir;
  write_safetensors(dir / "model.safetensors", {{"zzz", at::ones({1})}});
  std::vector<ExpectedTensor> expected;
  for (int i = 0; i < 199; ++i) expected.push_back({"bert.t" + std::to_string(i), at::zeros({1})});
  const CheckpointTensors tensors(dir.path(), kNames);
  EXPECT_THAT(error_of([&] { load_into(tensors, expected); }),
              AllOf(HasSubstr("missing (199): bert.t0, "), HasSubstr("bert.t19 and 179 more\n"),
                    Not(HasSubstr("bert.t20")), HasSubstr("unexpected (1): 'zzz'")));
}

}  // namespace
}  // namespace lait
