// lait-train as several processes: they train what one process trains, stop together, and say who
// is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <regex>
#include <thread>

#include "lait/base/file_writer.h"
#include "lait/base/program.h"
#include "lait/checkpoint/safetensors.h"
#include "tests/oracles/python.h"
#include "tests/ranks/free_port.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class RanksTrain : public TinyRun {
 protected:
  // Whose masks must not depend on the rank that draws them. The mean has no |u - v|: where an
  // element of that is 0 but for rounding, its gradient has either sign, and so the runs part.
  static constexpr const char* kDropout =
      " --set model.hidden_dropout=0.1 --set model.attention_dropout=0.1 --set model.pooling=mean ";
  // 37 examples in batches of 16: the last one has 5.
  void SetUp() override {
    write_inputs(37, 5, 9, "steps: 30, log_every: 1, seed: 3");
    std::vector<nlohmann::ordered_json> shared = tiny_lines(5, 30);
    // As MultiRC: few passages, many answers.
    for (size_t i = 0; i < shared.size(); ++i)
      shared[i]["segments"][0] = shared[i / 10 * 10]["segments"][0];
    write_file(folder_ / "shared.jsonl", to_text(shared));
    write_checkpoint(folder_ / "teacher", {.format = SegmentFormat::kPair});
  }
  // One rank's command.
  std::string command(int rank, int size, int port, const std::string& arguments) {
    return "RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(size) +
           " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " " +
           program("lait-train") + " --config " + path("a.yaml") + kDropout + arguments;
  }
  // A command that starts all ranks in the background. Each leaves its output, pid and exit code in
  // files.
  std::string start(int size, const std::string& arguments,
                    const std::vector<std::string>& of_rank = {}) {
    const int port = free_port();
    std::string all;
    for (int rank = 0; rank < size; ++rank) {
      const std::string n = std::to_string(rank);
      const std::string mine = rank < std::ssize(of_rank) ? of_rank[rank] : "";
      all += " { " + command(rank, size, port, arguments + " " + mine) + " >" + path("out" + n) +
             " 2>" + path("err" + n) + " & P=$!; echo $P >" + path("pid" + n) +
             "; wait $P; echo $? >" + path("code" + n) + "; } &";
    }
    return "cd " + folder_.path().string() + ";" + all;
  }
  struct Result {
    std::vector<int> codes;
    std::vector<std::string> errors;
  };
  Result result_of(int size) {
    Result result;
    for (int rank = 0; rank < size; ++rank) {
      result.codes.push_back(std::stoi(read_file(folder_ / ("code" + std::to_string(rank)))));
      result.errors.push_back(read_file(folder_ / ("err" + std::to_string(rank))));
    }
    return result;
  }
  Result train(int size, const std::string& arguments,
               const std::vector<std::string>& of_rank = {}) {
    shell(start(size, arguments, of_rank) + " wait");
    return result_of(size);
  }
  int newest_checkpoint() {
    int newest = -1;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder_ / "run/checkpoints", none)) {
      const std::string name = entry.path().filename();
      if (!name.ends_with(kUnfinishedSuffix)) newest = std::max(newest, std::stoi(name.substr(5)));
    }
    return newest;
  }
  // Starts the ranks, calls `meanwhile` with their pids once they have a checkpoint of `step` or
  // later, and waits.
  Result train_and(int size, const std::string& arguments, int step,
                   const std::function<void(const std::vector<pid_t>&)>& meanwhile) {
    std::jthread ranks([&] { shell(start(size, arguments) + " wait"); });
    for (int i = 0; i < 6000 && newest_checkpoint() < step; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_GE(newest_checkpoint(), step);
    std::vector<pid_t> pids;
    for (int rank = 0; rank < size; ++rank) {
      pids.push_back(std::stoi(read_file(folder_ / ("pid" + std::to_string(rank)))));
    }
    meanwhile(pids);
    ranks.join();
    return result_of(size);
  }
  std::vector<nlohmann::json> lines(const std::string& run, const std::string& split) {
    std::vector<nlohmann::json> out;
    LineReader reader(folder_ / run / "metrics.jsonl");
    while (const auto line = reader.next()) {
      if (auto json = nlohmann::json::parse(*line); json["split"] == split) out.push_back(json);
    }
    return out;
  }
  // The largest relative difference of the steps' losses and gradient norms.
  double difference(const std::string& a, const std::string& b) {
    const auto left = lines(a, "train"), right = lines(b, "train");
    EXPECT_EQ(left.size(), 30);
    EXPECT_EQ(right.size(), 30);
    double most = 0;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      // AdamW does not see a factor of all gradients; their norm does.
      for (const char* field : {"loss", "gradient_norm"}) {
        const double x = left[i][field], y = right[i][field];
        most = std::max(most, std::abs(x - y) / std::abs(y));
      }
    }
    return most;
  }
  void expect_finished(const Result& result) {
    for (size_t rank = 0; rank < result.codes.size(); ++rank)
      EXPECT_EQ(result.codes[rank], 0) << rank << ": " << result.errors[rank];
  }
};

struct RanksCase {
  const char* name;
  std::string arguments;
};
// For ctest's names.
void PrintTo(const RanksCase& c, std::ostream* out) { *out << c.name; }

class SeveralRanks : public RanksTrain, public testing::WithParamInterface<RanksCase> {};

TEST_P(SeveralRanks, TrainWhatOneTrains) {
  const std::string arguments = GetParam().arguments + " --quiet --output ";
  expect_finished(train(1, arguments + "one"));
  for (const int size : {2, 3}) {
    SCOPED_TRACE(size);
    const std::string run = "ranks" + std::to_string(size);
    expect_finished(train(size, arguments + run));
    EXPECT_LT(difference(run, "one"), 1e-4);
    const auto report = [&](const std::string& of) {
      return nlohmann::json::parse(read_file(folder_ / of / "report.json"));
    };
    EXPECT_EQ(report(run)["test"]["examples"], 9);
    EXPECT_EQ(report(run)["validation"]["examples"], 5);
    EXPECT_EQ(report(run)["steps"], 30);
    const auto losses = lines(run, "validation"), expected = lines("one", "validation");
    ASSERT_EQ(losses.size(), expected.size());
    for (size_t i = 0; i < losses.size(); ++i)
      EXPECT_NEAR(losses[i]["loss"], expected[i]["loss"].get<double>(), 1e-4);
    const fs::path weights = "checkpoints/step-30/model/model.safetensors";
    const SafetensorsFile a(folder_ / "one" / weights), b(folder_ / run / weights);
    for (const TensorInfo& tensor : a.tensors()) {
      // Softmax does not see it: its gradient is rounding, which AdamW makes large.
      if (tensor.name.ends_with("key.bias")) continue;
      EXPECT_TRUE(at::allclose(a.tensor(tensor.name), b.tensor(tensor.name), 1e-3, 1e-4))
          << tensor.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SeveralRanks,
    testing::Values(
        RanksCase{"independent", ""},
        RanksCase{"pair", "--set model.independent_layers=0 --set model.segment_format=pair"},
        RanksCase{"one_example_more", "--set training.batch_size=7 --set training.accumulation=3"},
        RanksCase{"fewer_examples_than_ranks", "--set training.batch_size=1"},
        RanksCase{"shared_segments", "--set data.train=shared.jsonl"},
        RanksCase{"frozen", "--set training.freeze=independent"},
        RanksCase{"sharded", "--set training.shard_optimizer=true --set training.ema=0.9"},
        RanksCase{"adafactor",
                  "--set training.optimizer=adafactor --set training.learning_rate=1e-2 --set "
                  "training.shard_optimizer=true"},
        RanksCase{"adapters",
                  "--set training.lora.rank=4 --set training.lora.dropout=0.1 --set "
                  "training.shard_optimizer=true"},
        RanksCase{"elastic", "--set 'training.elastic_independent_layers=[0, 2, 4]'"},
        RanksCase{"distilled",
                  "--set training.distill.teacher=teacher --set training.distill.recombine=1 --set "
                  "training.accumulation=2"},
        RanksCase{"recomputed", "--set training.recompute=true"},
        RanksCase{"lexical_bias", "--set model.lexical_bias=true"},
        RanksCase{"class_weights", "--set 'training.class_weights={entails: 5, neutral: 0.1}'"},
        RanksCase{"by_tokens",
                  "--set training.batch_by=tokens --set training.batch_size=200 --set "
                  "training.max_tokens_per_device=50"}),
    [](const auto& info) { return std::string(info.param.name); });

// One batch in one part, and in several of few tokens; also where examples have weights.
TEST_F(RanksTrain, ALimitOfTokensDoesNotChangeTheStep) {
  for (const std::string weights :
       {"", " --set 'training.class_weights={entails: 5, neutral: 0.1}'"}) {
    expect_finished(train(1, "--quiet --overwrite --output whole" + weights));
    expect_finished(train(
        1, "--quiet --overwrite --output parts --set training.max_tokens_per_device=30" + weights));
    EXPECT_LT(difference("parts", "whole"), 1e-4);
  }
}

class ShardedOptimizer : public RanksTrain, public testing::WithParamInterface<const char*> {};

// Whoever keeps the state, and whoever reads it again.
TEST_P(ShardedOptimizer, IsTheSameToTheBit) {
  const std::string arguments = "--quiet --set training.optimizer=" + std::string(GetParam()) +
                                " --set training.checkpoint_every=10 --output ",
                    sharded = " --set training.shard_optimizer=true";
  expect_finished(train(3, arguments + "whole"));
  expect_finished(train(3, arguments + "sharded" + sharded));
  const auto expect_same = [&] {
    for (const char* file : {"model/model.safetensors", "optimizer.safetensors"}) {
      const fs::path path = fs::path("checkpoints/step-30") / file;
      EXPECT_TRUE(same_bytes(folder_ / "whole" / path, folder_ / "sharded" / path)) << file;
    }
  };
  expect_same();
  for (const std::string& now : {sharded, std::string()}) {
    fs::remove_all(folder_ / "sharded/checkpoints/step-30");
    expect_finished(train(3, arguments + "sharded --resume" + now));
    expect_same();
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ShardedOptimizer, testing::Values("adamw", "adafactor"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(RanksTrain, AreTheSameToTheBitAfterAStopAndAKill) {
  const std::string arguments =
      "--quiet --set training.steps=120 --set training.log_every=20 --set "
      "training.checkpoint_every=3 --set distributed.timeout=20 --output ";
  expect_finished(train(2, arguments + "whole"));
  const auto stop = train_and(2, arguments + "run", 3, [](const std::vector<pid_t>& pids) {
    kill(pids[1], SIGTERM);  // one rank is told, both stop
  });
  EXPECT_THAT(stop.codes, testing::Each(143)) << stop.errors[0] << stop.errors[1];
  const auto killed = train_and(2, arguments + "run --resume", 15,
                                [](const std::vector<pid_t>& pids) { kill(pids[1], SIGKILL); });
  EXPECT_EQ(killed.codes[0], kExitOurs) << killed.errors[0];
  EXPECT_THAT(killed.errors[0], HasSubstr("lait-train: rank 0 of 2: rank 1 (pid "));
  EXPECT_THAT(killed.errors[0], HasSubstr(" is complete: continue with --resume)"));
  expect_finished(train(2, arguments + "run --resume"));
  for (const char* file : {"best/model.safetensors", "checkpoints/step-120/model/model.safetensors",
                           "checkpoints/step-120/optimizer.safetensors"}) {
    EXPECT_TRUE(same_bytes(folder_ / "run" / file, folder_ / "whole" / file)) << file;
  }
  EXPECT_EQ(metrics_without_times(folder_ / "run"), metrics_without_times(folder_ / "whole"));
}

// The first rank has the store that the others ask who is missing.
TEST_F(RanksTrain, NameARankThatHangsAndTheFirstThatDies) {
  const std::string arguments =
      "--quiet --overwrite --set training.checkpoint_every=1 --set training.steps=10000 --set "
      "distributed.timeout=8 --output run";
  const auto hung = train_and(3, arguments, 2, [](const std::vector<pid_t>& pids) {
    kill(pids[1], SIGSTOP);
    std::this_thread::sleep_for(std::chrono::seconds(30));
    kill(pids[1], SIGKILL);
  });
  for (const int rank : {0, 2}) {
    EXPECT_EQ(hung.codes[rank], kExitOurs);
    EXPECT_THAT(hung.errors[rank], HasSubstr(": rank 1 (pid "));
    EXPECT_THAT(hung.errors[rank], HasSubstr("did not answer for 8 s (distributed.timeout)"));
  }
  fs::remove_all(folder_ / "run");
  const auto died =
      train_and(2, arguments, 2, [](const std::vector<pid_t>& pids) { kill(pids[0], SIGKILL); });
  EXPECT_EQ(died.codes[1], kExitOurs);
  EXPECT_THAT(died.errors[1], HasSubstr("rank 1 of 2: the meeting point 127.0.0.1:"));
  // What it calls complete is there. (The first rank may have died after it finished another one.)
  std::smatch complete;
  ASSERT_TRUE(std::regex_search(died.errors[1], complete,
                                std::regex(R"(\((run/checkpoints/step-[0-9]+) is complete)")))
      << died.errors[1];
  EXPECT_TRUE(fs::exists(folder_ / complete[1].str() / "state.json")) << complete[1];
}

TEST_F(RanksTrain, AnotherNumberOfRanksResumesTheSameSteps) {
  const std::string arguments = "--set training.checkpoint_every=10 --output ";
  expect_finished(train(1, arguments + "one"));
  expect_finished(train(2, arguments + "run"));
  fs::remove_all(folder_ / "run/checkpoints/step-30");
  const Result resumed = train(3, arguments + "run --resume");
  expect_finished(resumed);
  EXPECT_THAT(
      resumed.errors[0],
      HasSubstr("the run was started on cpu with 2 ranks of 1 threads, resuming on cpu with "
                "3 ranks of 1 threads: sums have another order"));
  EXPECT_LT(difference("run", "one"), 1e-4);
}

TEST_F(RanksTrain, ErrorsAreSaidOnce) {
  const Result missing = train(2, "--output run --set data.train=none.jsonl");
  EXPECT_THAT(missing.codes, testing::Each(kExitUser));
  EXPECT_THAT(missing.errors[0], HasSubstr("lait-train: data.train: none.jsonl: no such file"));
  EXPECT_EQ(missing.errors[1], "");
  // Machines whose data differ would train different models.
  const Result differs = train(2, "--output run", {"", "--set data.train=shared.jsonl"});
  EXPECT_THAT(differs.codes, testing::Each(kExitUser));
  EXPECT_THAT(differs.errors[0],
              HasSubstr("rank 1: expected what rank 0 has (data.train with the checksum "));
  EXPECT_EQ(differs.errors[1], "");
  const Result seeds = train(2, "--output run", {"", "--set training.seed=4"});
  EXPECT_THAT(seeds.errors[0],
              HasSubstr("rank 1: expected what rank 0 has (seed: 3), got seed: 4"));
  for (const std::string option : {"--dry-run", "--sweep training.seed=1,2"}) {
    const Result refused = train(2, "--output new " + option);
    EXPECT_THAT(refused.codes, testing::Each(kExitUser)) << option;
    EXPECT_THAT(refused.errors[0], HasSubstr(": expected one process, got 2 ranks")) << option;
  }
}

// A checkpoint that one of them cannot read, and a best model that is gone.
TEST_F(RanksTrain, ResumeTogether) {
  const std::string arguments = "--set training.checkpoint_every=10 --output run";
  expect_finished(train(2, arguments));
  fs::remove_all(folder_ / "run/checkpoints/step-30");
  fs::remove_all(folder_ / "run/best");
  const Result resumed = train(2, arguments + " --resume");
  expect_finished(resumed);
  EXPECT_THAT(resumed.errors[0], HasSubstr("best is missing; it is lost or of a later step"));
  EXPECT_TRUE(fs::exists(folder_ / "run/best/model.safetensors"));
  fs::resize_file(folder_ / "run/checkpoints/step-20/optimizer.safetensors", 100);
  fs::remove_all(folder_ / "run/checkpoints/step-30");
  const Result damaged = train(2, arguments + " --resume");
  EXPECT_THAT(damaged.codes, testing::Each(kExitUser));
  EXPECT_THAT(damaged.errors[0], HasSubstr("no whole checkpoint is left"));
  EXPECT_EQ(damaged.errors[1], "");
}

TEST_F(RanksTrain, UnderTorchrun) {
  if (!fs::exists(oracle::python())) GTEST_SKIP() << "no Python; `make test` makes it";
  const auto torchrun = [&](const std::string& arguments) {
    return shell("cd " + folder_.path().string() + "; '" + oracle::python().string() +
                 "' -m torch.distributed.run --nproc-per-node 2 --master-port " +
                 std::to_string(free_port()) + " --no-python " + program("lait-train") +
                 " --config " + path("a.yaml") + kDropout + arguments);
  };
  expect_finished(train(1, "--quiet --output one"));
  const ShellResult result = torchrun("--output run");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("30 steps in fp32 on cpu, 2 ranks with 1 threads"));
  EXPECT_LT(difference("run", "one"), 1e-4);
  EXPECT_THAT(torchrun("--output run").err,
              HasSubstr("lait-train: run: there is a run already; continue it with --resume"));
}

}  // namespace
}  // namespace lait
