// Damaged checkpoints: each is named, and a run resumes from the newest that is whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/base/small_disk.h"
#include "tests/train/saved_state.h"
#include "tests/train/trained_here.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Damage : public TrainedHere {
 protected:
  void SetUp() override { write_inputs(64, 20, 0, "steps: 8, checkpoint_every: 2, log_every: 3"); }
  std::string path_of_config() { return path("a.yaml"); }
  std::string saved_;
  void remove_from(const std::string& checkpoint, const std::string& file) {
    fs::remove(folder_ / "run/checkpoints" / checkpoint / file);
  }
};

const std::vector<std::string> kFiles{"state.json", "optimizer.safetensors",
                                      "model/model.safetensors", "model/config.json",
                                      "model/lait.yaml"};

TEST_F(Damage, OfEveryFileIsFound) {
  ASSERT_EQ(run("run").code, 0);
  const fs::path newest = folder_ / "run/checkpoints/step-8",
                 older = folder_ / "run/checkpoints/step-6";
  std::vector<std::string> files;
  for (const auto& [name, content] : contents(newest)) files.push_back(name);
  EXPECT_THAT(files, testing::UnorderedElementsAreArray(kFiles));
  std::vector<std::string> warnings;
  const auto find = [&] {
    warnings.clear();
    return find_resume_point({newest, older}, [&](const auto& text) { warnings.push_back(text); })
        .checkpoint;
  };
  EXPECT_EQ(find(), newest);
  EXPECT_THAT(warnings, IsEmpty());
  for (const std::string& file : kFiles) {
    const std::string whole = read_file(newest / file);
    const auto expect_found = [&](const std::string& what) {
      EXPECT_EQ(find(), older) << file;
      EXPECT_THAT(warnings, ElementsAre(testing::AllOf(
                                HasSubstr((newest / file).string() + ": "), HasSubstr(what),
                                HasSubstr("; the checkpoint is damaged, resuming from step-6"))))
          << file;
      write_file(newest / file, whole);
      EXPECT_EQ(find(), newest) << file;
    };
    fs::remove(newest / file);
    expect_found("No such file");
    write_file(newest / file, whole.substr(0, whole.size() / 2));
    expect_found("");
    write_file(newest / file, whole + "x");
    expect_found("");
    for (const size_t at : {size_t{0}, whole.size() / 3, whole.size() * 2 / 3}) {
      std::string changed = whole;
      changed[at] ^= 1;
      write_file(newest / file, changed);
      expect_found("");
    }
    fs::remove(newest / file);
    fs::create_directory(newest / file);
    EXPECT_EQ(find(), older) << file << " is a folder";
    fs::remove(newest / file);
    write_file(newest / file, whole);
  }
  // Any number of state.json, at its end too.
  auto state = nlohmann::json::parse(read_file(newest / "state.json"));
  state["batch"] = 1;
  write_file(newest / "state.json", state.dump());
  EXPECT_EQ(find(), older);
  EXPECT_THAT(warnings.front(), HasSubstr("its values do not have its checksum"));
  state.erase("crc32");
  write_file(newest / "state.json", state.dump());
  EXPECT_EQ(find(), older);
}

// The end is that of a run without damage.
TEST_F(Damage, OfTheNewestIsNamedAndTheOneBeforeItIsUsed) {
  ASSERT_EQ(run("whole").code, 0);
  ASSERT_EQ(train_into("run", "").code, 0);
  fs::resize_file(folder_ / "run/checkpoints/step-8/optimizer.safetensors", 1000);
  const auto size = fs::file_size(folder_ / "whole/checkpoints/step-8/optimizer.safetensors");
  const ShellResult result = train_into("run", "--quiet --resume");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(
      result.err,
      testing::AllOf(
          testing::StartsWith(path("run/checkpoints/step-8/optimizer.safetensors") + ": expected " +
                              std::to_string(size) +
                              " bytes, got 1000; the checkpoint is damaged, resuming from step-6 "
                              "instead\n"),
          testing::EndsWith("; it is lost or of a later step: the best model is selected again "
                            "from step 6 on\n")));
  EXPECT_EQ(metrics_without_times(folder_ / "run"), metrics_without_times(folder_ / "whole"));
  for (const char* file : {"checkpoints/step-8/optimizer.safetensors", "best/model.safetensors"})
    EXPECT_TRUE(same_bytes(folder_ / "run" / file, folder_ / "whole" / file)) << file;
}

// best/ is checked at the beginning, not where it is evaluated at the end.
TEST_F(Damage, OfTheBestModelIsNamedAndItIsWrittenAgain) {
  ASSERT_EQ(train_into("run", "--set training.evaluate_every=8").code, 0);
  const fs::path best = folder_ / "run/best", newest = folder_ / "run/checkpoints/step-8";
  const auto before = contents(best);
  const auto log = read_file(folder_ / "run/metrics.jsonl");
  for (const auto& [name, whole] : before) {
    if (name == kModelCardFile) continue;  // not part of the model
    std::string changed = whole;
    changed[changed.size() / 2] ^= 1;
    write_file(best / name, changed);
    const ShellResult result =
        train_into("run", "--set training.evaluate_every=8 --resume --quiet");
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.err,
                testing::AllOf(HasSubstr((best / name).string() + ": expected the checksum "),
                               HasSubstr("; the best model is that of the checkpoint, written "
                                         "again\n")));
    EXPECT_EQ(contents(best), before) << name;
    EXPECT_EQ(read_file(folder_ / "run/metrics.jsonl"), log);
  }
}

// best/ may also be that of a later step, which a run with other threads need not find the best.
TEST_F(Damage, OfAnEarlierBestModelMakesTheRunSelectAgain) {
  ASSERT_EQ(train_into("run", "--set training.evaluate_every=8").code, 0);
  const fs::path best = folder_ / "run/best", newest = folder_ / "run/checkpoints/step-8";
  const auto log = read_file(folder_ / "run/metrics.jsonl");
  for (const bool missing : {false, true}) {
    // As if step 4 were better than any.
    edit_state(newest, {{"best", 2}, {"best_step", 4}});
    const std::string other = read_file(folder_ / "run/checkpoints/step-6/model/model.safetensors");
    missing ? static_cast<void>(fs::remove_all(best))
            : write_file(best / "model.safetensors", other);
    const ShellResult result =
        train_into("run", "--set training.evaluate_every=8 --resume --quiet");
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.err, HasSubstr(missing ? best.string() + " is missing; "
                                              : (best / "model.safetensors: ").string()));
    EXPECT_THAT(result.err, HasSubstr("; it is lost or of a later step: the best model is selected "
                                      "again from step 8 on\n"));
    EXPECT_TRUE(same_bytes(best / "model.safetensors", newest / "model/model.safetensors"));
    const auto state = nlohmann::json::parse(read_file(newest / "state.json"));
    EXPECT_EQ(state.at("best_step"), 8);
    EXPECT_LE(state.at("best").get<double>(), 1);
    EXPECT_EQ(read_file(folder_ / "run/metrics.jsonl"), log) << "no line is written twice";
    EXPECT_EQ(train_into("run", "--set training.evaluate_every=8 --resume --quiet").err, "");
  }
}

// A lost permission or a disk that fails is no damage: the checkpoint is kept.
TEST_F(Damage, AFileThatCannotBeReadIsNotDamaged) {
  ASSERT_EQ(train_into("run", "").code, 0);
  const auto before = contents(folder_ / "run");
  const auto expect_refusal = [&](const std::string& name, const std::string& message) {
    const fs::path path = folder_ / "run" / name;
    const fs::perms perms = fs::status(path).permissions();
    fs::permissions(path, fs::perms::none);
    const ShellResult result =
        shell(NoPowers::command() + program("lait-train") + " --config " + path_of_config() +
              " --output " + this->path("run") + " --resume");
    fs::permissions(path, perms);
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr(path.string() + message)) << result.err;
    auto after = contents(folder_ / "run");
    after[".lock"] = before.at(".lock");
    EXPECT_EQ(after, before) << name;
  };
  for (const std::string& file : kFiles) {
    expect_refusal("checkpoints/step-8/" + file,
                   ": cannot read: Permission denied; it may be whole: give yourself the "
                   "permission to read it, or check the disk, and try again");
  }
  expect_refusal("best/model.safetensors", ": cannot read: Permission denied; it may be whole");
  expect_refusal("checkpoints/step-8", "/state.json: cannot read: Permission denied");
  expect_refusal("checkpoints", ": cannot list: Permission denied");
}

TEST_F(Damage, OfTheLogIsNamed) {
  ASSERT_EQ(train_into("run", "").code, 0);
  const fs::path log = folder_ / "run/metrics.jsonl";
  const std::string whole = read_file(log);
  const auto lines = std::ranges::count(whole, '\n');
  ASSERT_GE(lines, 3);
  const auto expect_named = [&](const std::string& text, int64_t kept) {
    write_file(log, text);
    const ShellResult result = train_into("run", "--resume --quiet");
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.err, log.string() + ": expected the " + std::to_string(lines) +
                              " lines that step-8 was saved with, got " + std::to_string(kept) +
                              "; the others are not written again\n");
    EXPECT_EQ(std::ranges::count(read_file(log), '\n'), kept);
    // That is how many there are now.
    edit_state(folder_ / "run/checkpoints/step-8",
               {{"log", nlohmann::json::parse(saved_).at("log")}});
  };
  saved_ = read_file(folder_ / "run/checkpoints/step-8/state.json");
  expect_named(whole.substr(whole.find('\n') + 1), lines - 1);
  std::string torn = whole;
  torn[0] = '?';
  expect_named(torn, lines - 1);
  expect_named("", 0);
}

TEST_F(Damage, OfAllCheckpointsIsAReasonToStartOver) {
  ASSERT_EQ(train_into("run", "").code, 0);
  remove_from("step-8", "state.json");
  remove_from("step-6", "model/model.safetensors");
  const auto before = contents(folder_ / "run");
  const ShellResult result = train_into("run", "--resume");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("step-8/state.json: "));
  EXPECT_THAT(result.err, HasSubstr("step-6/model/model.safetensors: cannot read: No such file"));
  EXPECT_THAT(result.err, HasSubstr("; no whole checkpoint is left: start over with --overwrite"));
  auto after = contents(folder_ / "run");
  after[".lock"] = before.at(".lock");
  EXPECT_EQ(after, before);
  EXPECT_EQ(train_into("run", "--overwrite").code, 0);
}

// Damaged checkpoints of later steps do not count as kept ones, and go.
TEST_F(Damage, MakesRoomForWholeCheckpoints) {
  ASSERT_EQ(run("run").code, 0);
  remove_from("step-8", "optimizer.safetensors");
  // Stops after step 7.
  const Result stopped = run("run", [](int64_t n, Model&) { return n < 2 ? 0 : SIGTERM; });
  EXPECT_EQ(stopped.code, SIGTERM);
  EXPECT_EQ(stopped.warnings.size(), 1u);
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(folder_ / "run/checkpoints"))
    left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::UnorderedElementsAre("step-6", "step-7"));
  EXPECT_THAT(run("run").warnings, IsEmpty());
}

// It was killed while it replaced a checkpoint: between the two renames.
TEST_F(Damage, ACheckpointThatWasBeingReplacedIsTaken) {
  ASSERT_EQ(run("run").code, 0);
  const fs::path checkpoints = folder_ / "run/checkpoints";
  fs::rename(checkpoints / "step-8", checkpoints / "step-8.previous");
  write_file(checkpoints / "step-8.writing/state.json", "{}");
  const Result resumed = run("run");
  EXPECT_THAT(resumed.warnings, IsEmpty());
  EXPECT_EQ(resumed.asked, 1) << "it was at its end";
  EXPECT_FALSE(fs::exists(checkpoints / "step-8.previous"));
  EXPECT_FALSE(fs::exists(checkpoints / "step-8.writing"));
}

// Checkpoints of versions without checksums and without a log resume too.
TEST_F(Damage, ACheckpointWithoutChecksumsResumes) {
  ASSERT_EQ(run("whole").code, 0);
  EXPECT_EQ(run("run", [](int64_t n, Model&) { return n < 5 ? 0 : SIGTERM; }).code, SIGTERM);
  const fs::path file = folder_ / "run/checkpoints/step-4/state.json";
  auto state = nlohmann::json::parse(read_file(file));
  for (const char* key : {"log", "files", "crc32"}) EXPECT_EQ(state.erase(key), 1u);
  write_file(file, state.dump());
  EXPECT_EQ(run("run").code, 0);
  EXPECT_TRUE(
      same_bytes(folder_ / "run/best/model.safetensors", folder_ / "whole/best/model.safetensors"));
}

}  // namespace
}  // namespace lait
