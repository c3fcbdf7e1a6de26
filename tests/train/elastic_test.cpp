// training.elastic_independent_layers: one model for every P of a list.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/small_bert.h"
#include "tests/train/trained_here.h"
#include "train/step_batches.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

TEST(ScheduleOfStep, IsDrawnFromSeedAndStepEquallyOften) {
  constexpr int64_t kSteps = 6000;
  for (const uint64_t seed : {uint64_t{1}, uint64_t{1} << 40}) {
    std::vector<int64_t> counts(3);
    int64_t same_as_other = 0;
    for (int64_t step = 0; step < kSteps; ++step) {
      const size_t drawn = schedule_of_step(3, seed, step);
      ASSERT_LT(drawn, 3u);
      EXPECT_EQ(schedule_of_step(3, seed, step), drawn);
      EXPECT_EQ(schedule_of_step(1, seed, step), 0u);
      ++counts[drawn];
      same_as_other += drawn == schedule_of_step(3, seed + 1, step);
    }
    for (const int64_t count : counts) EXPECT_NEAR(count, kSteps / 3, 150);  // four deviations
    EXPECT_NEAR(same_as_other, kSteps / 3, 150);
  }
}

// Of all micro-batches and ranks.
TEST(ElasticSteps, HaveOneScheduleEach) {
  const SmallBert bert;
  ModelSpec spec = bert.spec(3, SegmentFormat::kStandalone, Pooling::kClsSegments);
  spec.schedule.back().updates = Updates::kFirst;
  spec.elastic = {1, 3, 2};
  const Model model = bert.model(spec, at::kFloat);
  const Dataset dataset = bert.dataset(spec, bert.random_examples(3, 31));
  TrainingConfig config;
  config.batch_size = 4;
  config.accumulation = 3;
  const Ranks ranks;
  StepMaker maker(model, dataset, config, ranks);
  BatchPosition at;
  std::set<size_t> seen;
  for (int64_t step = 0; step < 12; ++step) {
    const StepBatches made = maker.make(at);
    const size_t drawn = schedule_of_step(3, config.seed, step);
    seen.insert(drawn);
    const Schedule schedule{{spec.elastic[drawn], Scope::kSegment},
                            {4 - spec.elastic[drawn], Scope::kExample, Updates::kFirst}};
    double flops = 0;
    for (size_t i = 0; i < made.micro_batches.size(); ++i) {
      const DeviceBatch expected =
          model->to_batch(dataset, made.part.micro_batches[i], schedule, batch_options(config));
      EXPECT_TRUE(at::equal(made.micro_batches[i].ints, expected.ints));
      for (const int64_t example : made.part.micro_batches[i])
        flops += training_costs(model, dataset, schedule).flops(example);
    }
    EXPECT_NEAR(made.part.flops, flops, 1e-6 * flops);
    maker.prepare(made.next);
    at = made.next;
  }
  EXPECT_EQ(seen.size(), 3u);
}

class ElasticRun : public TrainedHere {
 protected:
  void SetUp() override {
    write_inputs(40, 20, 8, "steps: 6, log_every: 1, elastic_independent_layers: [0, 2, 3]");
  }
  std::vector<Json> lines(const std::string& run, const std::string& split) {
    std::vector<Json> out;
    for (const std::string& line : metrics_without_times(folder_ / run)) {
      if (Json json = Json::parse(line); json["split"] == split) out.push_back(std::move(json));
    }
    return out;
  }
};

// A plain loop over steps, each at the P that was drawn for it.
TEST_F(ElasticRun, TrainsAsALoopOverTheDrawnSchedules) {
  run("run");
  const RunInputs& in = inputs();
  const Dataset& dataset = *in.train.dataset;
  Model model = load_model(in, at::kFloat);
  TrainStep step(model, in.config.training, 6);
  const auto logged = lines("run", "train");
  ASSERT_EQ(logged.size(), 6u);
  int64_t done = 0;
  for (int64_t epoch = 0; done < 6; ++epoch) {
    for (const auto& batch : epoch_batches(dataset, in.config.training, epoch)) {
      const int64_t p = in.spec.elastic[schedule_of_step(3, in.config.training.seed, done)];
      std::vector<DeviceBatch> batches;
      batches.push_back(model->to_batch(dataset, batch, split_schedule(p, kTinyLayers),
                                        batch_options(in.config.training)));
      EXPECT_EQ(logged[done]["loss"], step.run(batches, done).item<float>()) << done;
      if (++done == 6) break;
    }
  }
  EXPECT_TRUE(at::equal(model->head->output_weight(),
                        SafetensorsFile(folder_ / "run/checkpoints/step-6/model/model.safetensors")
                            .tensor("classifier.weight")));
}

// The best model is that of the best mean; lait-eval finds the same scores at each P.
TEST_F(ElasticRun, ValidatesAtEveryP) {
  ASSERT_EQ(train("--output " + path("run") + " --set training.evaluate_every=2").code, 0);
  const std::vector<Json> found = lines("run", "validation");
  ASSERT_EQ(found.size(), 3u);
  double best = -1;
  int64_t best_step = 0;
  for (const Json& line : found) {
    double accuracy = 0, loss = 0;
    ASSERT_EQ(line["by_independent_layers"].size(), 3u);
    for (const auto& [p, scores] : line["by_independent_layers"].items()) {
      accuracy += scores["accuracy"].get<double>() / 3;
      loss += scores["loss"].get<double>() / 3;
    }
    EXPECT_NEAR(line["accuracy"], accuracy, 1e-12);
    EXPECT_NEAR(line["loss"], loss, 1e-12);
    if (accuracy > best + 1e-9) {
      best = accuracy;
      best_step = line["step"];
    }
  }
  const auto report = Json::parse(read_file(folder_ / "run/report.json"));
  EXPECT_EQ(report["best_step"], best_step);
  EXPECT_EQ(report["independent_layers"], 2);
  const ShellResult result = shell(program("lait-eval") + " --checkpoint " + path("run") +
                                   " --split validation --precision fp32 --report " + path("r"));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto rows = Json::parse(read_file(folder_ / "r/report.json"));
  ASSERT_EQ(rows.size(), 3u);
  for (const Json& line : found) {
    if (line["step"] != best_step) continue;
    for (const Json& row : rows) {
      const std::string p = std::to_string(row["independent_layers"].get<int64_t>());
      EXPECT_EQ(row["metrics"]["accuracy"]["value"], line["by_independent_layers"][p]["accuracy"])
          << p;
    }
  }
  EXPECT_THAT(read_file(folder_ / "run/best/README.md"), HasSubstr("with 0, 2, 3 such layers"));
}

// Prediction uses model.independent_layers, or the largest.
TEST_F(ElasticRun, TheCheckpointKeepsTheList) {
  const auto spec_of = [&](const std::string& overrides) {
    const std::string run = "run" + std::to_string(overrides.size());
    EXPECT_EQ(train(overrides + " --output " + path(run)).code, 0);
    return read_spec(folder_ / run / "best");
  };
  EXPECT_EQ(spec_of("").independent_layers(), 2);
  const ModelSpec largest = spec_of("--set model.independent_layers=");
  EXPECT_EQ(largest.independent_layers(), 3);
  EXPECT_EQ(largest.elastic, (LayerCounts{0, 2, 3}));
  const ModelSpec zero = spec_of("--set model.independent_layers=0 ");
  EXPECT_EQ(zero.independent_layers(), 0);
  EXPECT_EQ(zero.format, SegmentFormat::kStandalone);
}

TEST_F(ElasticRun, ADryRunHasEveryP) {
  const ShellResult result = train("--dry-run");
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* p : {"P = 0", "P = 2", "P = 3"})
    EXPECT_THAT(result.out, HasSubstr(std::string("MFLOP per example (full → ") + p + ")"));
}

TEST_F(ElasticRun, ListsThatCannotBeAreRefused) {
  const auto refuses = [&](const std::string& set, const std::string& why) {
    const ShellResult result = train("--output " + path("x") + " --set " + set);
    EXPECT_EQ(result.code, 2) << set;
    EXPECT_THAT(result.err, HasSubstr(why));
    EXPECT_FALSE(fs::exists(folder_ / "x"));
  };
  const std::string list = "'training.elastic_independent_layers=";
  refuses(list + "2'", "expected a list of whole numbers, got '2'");
  refuses(list + "[2]'",
          "expected at least two numbers of layers; for one, "
          "model.independent_layers");
  refuses(list + "[2, 0, 2]'", "expected each number once, got 2 twice");
  refuses(list + "[0, 3]'",
          "model.independent_layers: expected one of the numbers of "
          "training.elastic_independent_layers, got 2");
  refuses(list + "[2, 5]'",
          "training.elastic_independent_layers: expected 0 to 4, the model's "
          "number of layers, got 5");
  refuses(list + "[5, 7]' --set model.independent_layers=",
          "training.elastic_independent_layers: expected 0 to 4");
  refuses(list + "[2, 4]' --set model.pooling=cls", "training.elastic_independent_layers: ");
  refuses("model.independent_layers=0 --set model.segment_format=pair",
          "model.segment_format: pair is the stock layout, and "
          "training.elastic_independent_layers needs segments of their own");
  refuses("'model.schedule=[{num_layers: 2, scope: group}, {num_layers: 2, scope: example}]'",
          "model.schedule: a stage of scope group");
  refuses("training.freeze=independent",
          "training.freeze: independent: expected layers by their "
          "numbers");
  refuses("cache.dir=store --set 'training.freeze=[embeddings, layers 0-1]'",
          "cache.dir: expected one P");
}

}  // namespace
}  // namespace lait
