// cache.dir: runs whose frozen layers come from a store equal runs that compute them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "lait/base/program.h"
#include "lait/cache/upkeep.h"
#include "tests/base/small_disk.h"
#include "tests/ranks/free_port.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

using testing::HasSubstr;
using testing::Not;

class RunStore : public TinyRun {
 protected:
  // Three epochs of batches of 16, with segments that several examples have.
  void SetUp() override {
    write_inputs(45, 20, 12, "epochs: 3, log_every: 1, seed: 3, freeze: [embeddings, independent]");
    write_checkpoint(folder_ / "teacher", {.format = SegmentFormat::kPair});
    for (const char* name : {"train.jsonl", "test.jsonl"}) {
      auto lines = tiny_lines(5, 45);
      for (size_t i = 0; i < lines.size(); ++i)
        lines[i]["segments"][0] = lines[i / 3 * 3]["segments"][0];
      write_file(folder_ / name, to_text(lines));
    }
  }
  static constexpr const char* kDropout =
      "--quiet --set model.hidden_dropout=0.1 --set model.attention_dropout=0.1 ";
  std::string cache(const std::string& name = "store") const {
    return " --set cache.dir=" + (folder_ / name).string() + " ";
  }
  ShellResult run(const std::string& name, const std::string& more = "") {
    return train_into(name, kDropout + more);
  }
  void expect_finished(const std::string& name, const std::string& more = "") {
    const ShellResult result = run(name, more);
    EXPECT_EQ(result.code, 0) << result.err;
  }
  nlohmann::json report(const std::string& run) {
    return nlohmann::json::parse(read_file(folder_ / run / "report.json"));
  }
  int64_t computed(const std::string& run) { return report(run)["cache"]["computed"]; }
  std::string newest(const std::string& run) {
    return "checkpoints/step-" + std::to_string(report(run)["steps"].get<int>());
  }
  void expect_same(const std::string& a, const std::string& b) {
    EXPECT_EQ(metrics_without_times(folder_ / a), metrics_without_times(folder_ / b));
    for (const std::string& file :
         {std::string("best/model.safetensors"), newest(a) + "/model/model.safetensors",
          newest(a) + "/optimizer.safetensors"})
      EXPECT_TRUE(same_bytes(folder_ / a / file, folder_ / b / file)) << file;
    EXPECT_EQ(report(a)["test"]["metrics"], report(b)["test"]["metrics"]);
  }
};

struct RunStoreCase {
  const char* name;
  std::string arguments;
};
void PrintTo(const RunStoreCase& c, std::ostream* out) { *out << c.name; }

class RunStores : public RunStore, public testing::WithParamInterface<RunStoreCase> {};

TEST_P(RunStores, EqualRunsWithoutToTheBit) {
  std::string arguments = GetParam().arguments;
  if (const size_t at = arguments.find("=teacher"); at != arguments.npos)
    arguments.insert(at + 1, folder_.path().string() + "/");
  expect_finished("without", arguments);
  expect_finished("with", arguments + cache());
  expect_same("with", "without");
  EXPECT_FALSE(report("without").contains("cache"));
  // Each distinct segment once, of training, validation and test data.
  EXPECT_GT(computed("with"), 0);
  EXPECT_LE(computed("with"), static_cast<int64_t>(stat_store(folder_ / "store").records));
  EXPECT_GT(report("with")["cache"]["found"], computed("with"));
  expect_finished("again", arguments + cache());
  expect_same("again", "without");
  EXPECT_EQ(computed("again"), 0);
  EXPECT_EQ(report("again")["cache"]["added_bytes"], 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, RunStores,
    testing::Values(
        RunStoreCase{"plain", ""}, RunStoreCase{"bf16", "--set training.precision=bf16"},
        RunStoreCase{"accumulation", "--set training.accumulation=2"},
        RunStoreCase{"shared", "--set training.share_segments=true"},
        RunStoreCase{"unshared", "--set training.share_segments=false"},
        RunStoreCase{"parts", "--set training.max_tokens_per_device=40"},
        RunStoreCase{"last_layer_joint", "--set model.independent_layers=3"},
        RunStoreCase{"ema", "--set training.ema=0.9 --set training.recompute=true"},
        RunStoreCase{"evaluated_often", "--set training.evaluate_every=2"},
        RunStoreCase{"lexical_bias", "--set model.lexical_bias=true"},
        RunStoreCase{"distilled",
                     "--set training.distill.teacher=teacher --set training.distill.recombine=2"},
        RunStoreCase{"lora", "--set training.lora.rank=4 --set training.lora.dropout=0.1"},
        RunStoreCase{"one_sided",
                     "--set model.independent_layers= --set 'model.schedule=[{num_layers: 2, "
                     "scope: segment}, {num_layers: 2, scope: example, updates: first}]'"},
        RunStoreCase{"lexical_bias_one_sided",
                     "--set model.lexical_bias=true --set model.independent_layers= --set "
                     "'model.schedule=[{num_layers: 2, scope: segment}, {num_layers: 2, scope: "
                     "example, updates: first}]'"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(RunStore, IsSharedWithPrediction) {
  // The layers below the join are those of the pretrained model, before and after training.
  write_checkpoint(folder_ / "model", {.independent_layers = 2});
  const ShellResult built =
      shell(program("lait-cache") + " build --quiet --checkpoint " + path("model") + " --input " +
            path("train.jsonl") + " --cache " + path("store") + " --precision fp32");
  ASSERT_EQ(built.code, 0) << built.err;
  expect_finished("run", "--set data.validation=[] --set data.test=[]" + cache());
  EXPECT_EQ(computed("run"), 0);
  const ShellResult predicted =
      shell(program("lait-cache") + " build --checkpoint " + path("run") + " --input " +
            path("train.jsonl") + " --cache " + path("store") + " --precision fp32");
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_THAT(predicted.out, HasSubstr(" 0 computed")) << predicted.out;
}

TEST_F(RunStore, IsRefusedWhereItsStatesWouldChange) {
  const auto error = [&](const std::string& more) {
    const ShellResult result = run("refused", more);
    EXPECT_EQ(result.code, kExitUser);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "store"));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "refused"));
    return result.err;
  };
  EXPECT_THAT(error("--set training.freeze=" + cache()),
              HasSubstr("lait-train: cache.dir: expected the embeddings and layers 0 to 1 to be "
                        "frozen"));
  EXPECT_THAT(error("--set training.freeze= --set training.lora.rank=4" + cache()),
              HasSubstr("would be trained (or have adapters); set training.freeze"));
  EXPECT_THAT(error("--set model.independent_layers=0 --set training.freeze=embeddings" + cache()),
              HasSubstr("cache.dir: expected segment_format: standalone, got pair"));
  EXPECT_THAT(error("--set cache.exact=true"),
              HasSubstr("cache.dir: expected the folder of a store"));
  EXPECT_THAT(error("--set cache.max_bytes=20XB" + cache()),
              HasSubstr("cache.max_bytes: expected bytes as a whole number, or with KB, MB or GB, "
                        "e.g. 20GB, got"));
}

// In the middle of an epoch, with the store that the run had, with an empty one, and with none.
TEST_F(RunStore, MayChangeWhereARunResumes) {
  const std::string every = "--set training.checkpoint_every=2 --set output.keep=10";
  expect_finished("without", every);
  expect_finished("with", every + cache());
  for (const std::string& store : {cache(), cache("another"), std::string()}) {
    SCOPED_TRACE(store);
    for (const int step : {6, 8, 9})
      std::filesystem::remove_all(folder_ / "with/checkpoints" / ("step-" + std::to_string(step)));
    expect_finished("with", "--resume " + every + store);
    expect_same("with", "without");
    if (store == cache()) {
      EXPECT_EQ(computed("with"), 0);
    }
  }
}

// What a stopped run has computed, the next one finds.
TEST_F(RunStore, HoldsWhatAShorterRunComputed) {
  expect_finished("all", cache("other"));
  const std::string two_steps = "--set training.epochs= --set training.steps=2 ";
  expect_finished("first", two_steps + "--set data.validation=[] --set data.test=[]" + cache());
  EXPECT_LT(computed("first"), computed("all"));
  expect_finished("next", cache());
  EXPECT_EQ(computed("next"), computed("all") - computed("first"));
}

TEST_F(RunStore, IsReadOnlyWhereItsDiskIsFull) {
  expect_finished("without");
  SmallDisk disk(256);
  disk.fill(32);
  if (disk.reason() != "No space left on device") GTEST_SKIP() << "no small disk";
  const ShellResult result = run("with", "--set cache.dir=" + (disk.path() / "store").string());
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string warning = "the store is only read";
  EXPECT_THAT(result.err, HasSubstr(warning));
  EXPECT_EQ(result.err.find(warning), result.err.rfind(warning)) << result.err;
  expect_same("with", "without");
}

TEST_F(RunStore, UsesNoValuesOfOtherMachinesIfItMustBeExact) {
  expect_finished("run", cache());
  // As another CPU would have written it: made_by stands behind the head.
  for (const auto& file : list_store_files(folder_ / "store")) {
    std::string bytes = read_file(file.first);
    FileHead head;
    std::memcpy(&head, bytes.data(), sizeof(head));
    std::string made_by = bytes.substr(sizeof(head), head.made_by_bytes);
    made_by[made_by.size() - 3] = '?';
    head = sealed(head, made_by);
    std::memcpy(bytes.data(), &head, sizeof(head));
    bytes.replace(sizeof(head), made_by.size(), made_by);
    write_file(file.first, bytes);
  }
  const ShellResult used = run("used", cache());
  EXPECT_THAT(used.err, HasSubstr("has values that were computed by "));
  EXPECT_EQ(computed("used"), 0);
  expect_finished("exact", cache() + "--set cache.exact=true");
  EXPECT_GT(computed("exact"), 0);
  expect_same("exact", "run");
}

TEST_F(RunStore, KeepsToItsLimit) {
  expect_finished("without");
  const ShellResult result = run("with", cache() + "--set cache.max_bytes=200KB");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_LE(stat_store(folder_ / "store").bytes, 200'000);
  expect_same("with", "without");
  const std::string warning = "cache.max_bytes: ";
  EXPECT_THAT(result.err, HasSubstr(warning + "0.2 MB of this run's segments are stored"));
  EXPECT_EQ(result.err.find(warning), result.err.rfind(warning)) << result.err;
  // What is stored is found in each epoch.
  EXPECT_GT(report("with")["cache"]["found"], 30);
}

// Each rank writes files of its own, and finds what the others have written.
TEST_F(RunStore, IsSharedByRanks) {
  const auto ranks = [&](const std::string& name, const std::string& more) {
    const int port = free_port();
    std::string all = "cd " + folder_.path().string() + ";";
    for (const int rank : {0, 1}) {
      all += " RANK=" + std::to_string(rank) +
             " WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " " +
             program("lait-train") + " --config " + path("a.yaml") + " --output " + path(name) +
             " " + kDropout + more + " &";
    }
    const ShellResult result = shell(all + " wait");
    EXPECT_TRUE(std::filesystem::exists(folder_ / name / "report.json")) << result.err;
  };
  ranks("without", "");
  ranks("with", cache());
  expect_same("with", "without");
  EXPECT_EQ(stat_store(folder_ / "store").files, 2);
  // A segment that both have in the first epoch is computed by both.
  const auto of_two = computed("with");
  ranks("again", cache());
  expect_same("again", "without");
  EXPECT_EQ(computed("again"), 0);
  expect_finished("alone", cache("other"));
  EXPECT_GE(of_two, computed("alone"));
  EXPECT_LT(of_two, computed("alone") * 3 / 2);
}

}  // namespace
}  // namespace lait
