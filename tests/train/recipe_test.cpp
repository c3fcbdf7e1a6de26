// lait-train --recipe, as users run it.
#include <gmock/gmock.h>

#include <filesystem>

#include "lait/base/json.h"
#include "lait/config/read.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RecipeRun : public TinyRun {
 protected:
  void SetUp() override { write_inputs(24, 5, 6, "steps: 2"); }
  ShellResult keep(const std::string& more = "") {
    return train_into("kept", "--recipe preserve " + more);
  }
};

TEST_F(RecipeRun, TheStockModelTeachesTheSplitOne) {
  const ShellResult result = keep();
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("next: "));

  const Config stock = read_config(folder_ / "kept/stock/config.yaml", {}),
               split = read_config(folder_ / "kept/split/config.yaml", {});
  EXPECT_EQ(stock.model.independent_layers, 0);
  EXPECT_EQ(stock.model.segment_format, SegmentFormat::kPair);
  EXPECT_EQ(stock.model.lexical_bias, Switch::kOff);
  EXPECT_EQ(stock.training.distill.teacher, "");
  EXPECT_EQ(split.model.independent_layers, 2);
  EXPECT_EQ(split.model.lexical_bias, Switch::kOn);
  EXPECT_EQ(fs::path(split.training.distill.teacher), folder_ / "kept/stock");
  EXPECT_EQ(split.training.distill.recombine, 2) << "its examples have two texts";

  const auto report = read_json(folder_ / "kept/report.json");
  EXPECT_EQ(report.at("recipe"), "preserve");
  ASSERT_EQ(report.at("runs").size(), 2u);
  for (const auto& [name, row] : {std::pair("stock", 0), std::pair("split", 1)}) {
    const auto& run = report.at("runs")[row];
    const auto of_run = read_json(folder_ / "kept" / name / "report.json");
    EXPECT_EQ(run.at("run"), name);
    EXPECT_EQ(run.at("independent_layers"), row == 0 ? 0 : 2);
    EXPECT_EQ(run.at("test"), of_run.at("test"));
    EXPECT_EQ(run.at("validation"), of_run.at("validation"));
  }

  // Nothing is trained twice.
  const ShellResult again = keep();
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("already finished: " + path("kept/stock")));
  EXPECT_THAT(again.err, HasSubstr("already finished: " + path("kept/split")));

  const ShellResult evaluated =
      shell(program("lait-eval") + " --quiet --checkpoint " + path("kept"));
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_THAT(evaluated.out, HasSubstr("split"));
}

// A run that was stopped in its second part goes on there, and ends as one that was not.
TEST_F(RecipeRun, IsResumed) {
  ASSERT_EQ(keep().code, 0);
  ASSERT_EQ(train_into("again", "--recipe preserve").code, 0);
  fs::remove_all(folder_ / "again/split/best");
  fs::remove(folder_ / "again/split/report.json");
  fs::remove(folder_ / "again/report.json");
  const ShellResult result = train_into("again", "--recipe preserve --resume");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("already finished: " + path("again/stock")));
  EXPECT_EQ(read_json(folder_ / "again/report.json"), read_json(folder_ / "kept/report.json"));
  EXPECT_TRUE(same_bytes(folder_ / "again/split/best/model.safetensors",
                         folder_ / "kept/split/best/model.safetensors"));
}

TEST_F(RecipeRun, WhatTheConfigSaysOfTheRecipesKeysStays) {
  ASSERT_EQ(keep("--set training.distill.weight=0.5 --set training.distill.recombine=1").code, 0);
  const DistillConfig distill =
      read_config(folder_ / "kept/split/config.yaml", {}).training.distill;
  EXPECT_EQ(distill.weight, 0.5);
  EXPECT_EQ(distill.recombine, 1);
}

TEST_F(RecipeRun, OfSeveralPTheStockModelHasOne) {
  const ShellResult result = keep("--set 'training.elastic_independent_layers=[0, 2]'");
  ASSERT_EQ(result.code, 0) << result.err;
  const Config stock = read_config(folder_ / "kept/stock/config.yaml", {}),
               split = read_config(folder_ / "kept/split/config.yaml", {});
  EXPECT_EQ(stock.model.segment_format, SegmentFormat::kPair);
  EXPECT_TRUE(stock.training.elastic_independent_layers.empty());
  EXPECT_EQ(split.training.elastic_independent_layers, (LayerCounts{0, 2}));
}

// A store keeps what layers of single segments make; the stock model has none.
TEST_F(RecipeRun, OnlyTheSplitModelTakesValuesFromAStore) {
  const ShellResult result =
      keep("--set training.freeze=[embeddings,independent] --set cache.dir=" + path("store"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_config(folder_ / "kept/stock/config.yaml", {}).cache, CacheConfig());
  EXPECT_EQ(read_config(folder_ / "kept/split/config.yaml", {}).cache.dir, path("store"));
}

TEST_F(RecipeRun, TheDryRunMeasuresBothAndWritesNothing) {
  const ShellResult result = keep("--dry-run");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("recipe preserve: 1 of 1 runs left to do"));
  EXPECT_THAT(result.out, HasSubstr("#   split: "));
  EXPECT_FALSE(fs::exists(folder_ / "kept"));
}

TEST_F(RecipeRun, MistakesAreNamedBeforeAnythingIsTrained) {
  const auto expect_error = [&](const std::string& options, const std::string& message) {
    const ShellResult result = train_into("kept", options);
    EXPECT_EQ(result.code, 2) << options;
    EXPECT_THAT(result.err, HasSubstr(message)) << options;
    EXPECT_FALSE(fs::exists(folder_ / "kept")) << options;
  };
  expect_error("--recipe preserv", "--recipe: expected one of {preserve}, got 'preserv'");
  expect_error("--recipe preserve --set model.independent_layers=0",
               "--recipe: expected a model with independent layers, got P = 0");
  expect_error("--recipe preserve --set training.distill.teacher=" + path("model"),
               "training.distill.teacher: the recipe trains the teacher itself");
  expect_error("--recipe preserve --seeds 1,2", "--recipe");
  expect_error("--recipe preserve --sweep training.seed=1,2", "--recipe");
}

}  // namespace
}  // namespace lait
