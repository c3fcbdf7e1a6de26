// Every writer of files, on a full disk and without permission: the previous state stays complete,
// no half-written file is left, the message names a path and the reason. With free space the same
// write succeeds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/report.h"
#include "lait/base/file_writer.h"
#include "lait/checkpoint/safetensors.h"
#include "lait/config/read.h"
#include "tests/base/small_disk.h"
#include "tests/eval/tiny_checkpoint.h"
#include "train/data_export.h"
#include "train/run_directory.h"
#include "train/wordnet.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Writes version 1 or 2 of its files into `dir`.
struct Writer {
  const char* name;
  void (*write)(const fs::path& dir, int version);
};

const std::string kText(40000, 't');

// The folder of a run that died at once.
void begin_run(const fs::path& dir) {
  if (fs::exists(dir / "config.yaml")) return;
  write_file(dir / "config.yaml", "a run");
  write_file(dir / ".lock", "");
}

void save_in_run(const fs::path& dir, int version,
                 void (*save)(const RunDirectory& run,
                              const std::function<void(const fs::path&)>& fill)) {
  begin_run(dir);
  const RunDirectory run(dir, IfExists::kResume);
  save(run, [&](const fs::path& folder) {
    write_file(folder / "weights", kText + std::to_string(version));
  });
}

const Writer kWriters[] = {
    {"WriteFile",
     [](const fs::path& dir, int version) {
       write_file(dir / "deep/file", kText + std::to_string(version));
     }},
    {"WriteFiles",
     [](const fs::path& dir, int version) {
       const std::string text = kText + std::to_string(version), small = std::to_string(version);
       write_files({{dir / "small", small}, {dir / "large", text}});
     }},
    {"Safetensors",
     [](const fs::path& dir, int version) {
       write_safetensors(dir / "a.safetensors", {{"x", at::full({10000}, version)}});
     }},
    {"Checkpoint",
     [](const fs::path& dir, int version) {
       write_checkpoint(dir / "checkpoint", {.independent_layers = version});
     }},
    {"WordNet",
     [](const fs::path& dir, int version) {
       WordnetSplits splits;
       splits.train = {{kText, "it is a kind of thing", version == 1, "1", true, true}};
       splits.validation = splits.test = splits.train;
       write_wordnet_examples(splits, dir / "wordnet");
     }},
    {"Export",
     [](const fs::path& dir, int version) {
       static const TemporaryFolder folder;
       static const std::string input = [] {
         const fs::path file = folder / "in";
         write_file(file,
                    "{\"premise\": \"" + kText + "\", \"hypothesis\": \"h\", \"label\": 1}\n");
         return file.string();
       }();
       const Config config = parse_config(
           "task: rte\nmodel: {path: none}\ndata: {train: " + input + "}\noutput: {dir: none}\n",
           "config", {});
       // Another file each time, since it replaces none.
       export_data(config, {.output = dir / ("export-" + std::to_string(version) + ".jsonl")});
     }},
    {"Report",
     [](const fs::path& dir, int version) {
       Evaluation row;
       row.names = {std::string(4000, 'c'), "sick", "test"};
       row.independent_layers = version;
       row.metrics = {{"accuracy", {0.5, 0.4, 0.6}}};
       write_report(std::vector<Evaluation>(10, row), dir / "report");
     }},
    {"RunConfig",
     [](const fs::path& dir, int version) {
       begin_run(dir);
       RunDirectory(dir, IfExists::kResume).write_config(kText + std::to_string(version));
     }},
    {"RunMetrics",
     [](const fs::path& dir, int version) {
       begin_run(dir);
       RunDirectory(dir, IfExists::kResume).append_metrics({{"step", version}, {"text", kText}});
     }},
    {"RunCheckpoint",
     [](const fs::path& dir, int version) {
       save_in_run(dir, version, [](const RunDirectory& run, const auto& fill) {
         run.save_checkpoint(20, 1, fill);
       });
     }},
    {"RunBest",
     [](const fs::path& dir, int version) {
       save_in_run(dir, version,
                   [](const RunDirectory& run, const auto& fill) { run.save_best(fill); });
     }},
};

class Writers : public testing::TestWithParam<Writer> {};

// The contents without the lock, which names its last owner.
std::map<std::string, std::string> state_of(const fs::path& dir) {
  auto files = contents(dir);
  files.erase(".lock");
  return files;
}

std::string write_error(const Writer& writer, const fs::path& dir, int version) {
  try {
    writer.write(dir, version);
  } catch (const WriteError& error) {
    return error.what();
  }
  return "";
}

TEST_P(Writers, FullDisk) {
  for (const auto kind : {SmallDisk::Kind::kTmpfs, SmallDisk::Kind::kLimit}) {
    SmallDisk disk(8192, kind);
    const fs::path dir = disk / "dir";
    GetParam().write(dir, 1);
    const auto before = state_of(dir);
    for (const size_t leave : disk.rooms()) {  // KiB
      disk.fill(leave);
      const std::string message = write_error(GetParam(), dir, 2);
      disk.free();
      EXPECT_THAT(message, HasSubstr(dir.string())) << leave;
      EXPECT_THAT(message, HasSubstr(disk.reason())) << leave;
      ASSERT_EQ(state_of(dir), before) << leave << ": " << message;
    }
    GetParam().write(dir, 2);
    EXPECT_NE(state_of(dir), before);
  }
}

TEST_P(Writers, LostPermission) {
  const TemporaryFolder folder;
  const fs::path dir = folder / "dir";
  GetParam().write(dir, 1);
  const auto before = state_of(dir);
  {
    const ReadOnly read_only(dir);
    const NoPowers no_powers;
    const std::string message = write_error(GetParam(), dir, 2);
    // Its file exists and can still be appended to.
    if (std::string(GetParam().name) == "RunMetrics") return;
    EXPECT_THAT(message, HasSubstr(dir.string()));
    EXPECT_THAT(message, HasSubstr("Permission denied; give yourself the permission"));
  }
  EXPECT_EQ(state_of(dir), before);
  GetParam().write(dir, 2);
  EXPECT_NE(state_of(dir), before);
}

INSTANTIATE_TEST_SUITE_P(All, Writers, testing::ValuesIn(kWriters),
                         [](const auto& info) { return info.param.name; });

// A run directory that is removed during a run is not created again: its contents would be missing.
TEST(RunDirectory, ThatVanishesIsAnError) {
  const TemporaryFolder folder;
  RunDirectory run(folder / "run", IfExists::kRefuse);
  run.write_config("a run");
  fs::remove_all(folder / "run");
  auto fill = [](const fs::path& dir) { write_file(dir / "weights", "w"); };
  const std::vector<std::function<void()>> writes{[&] {
                                                    run.append_metrics({{"step", 1}});
                                                  },
                                                  [&] { run.save_checkpoint(1, 1, fill); },
                                                  [&] { run.save_best(fill); }};
  for (const auto& write : writes) {
    try {
      write();
      ADD_FAILURE() << "wrote into a folder that is gone";
    } catch (const WriteError& error) {
      EXPECT_THAT(error.what(), HasSubstr((folder / "run").string()));
      EXPECT_THAT(error.what(), HasSubstr("No such file or directory; the folder is gone"));
    }
  }
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(RunDirectory, WhatADeadRunLeftUnfinishedGoes) {
  const TemporaryFolder folder;
  { RunDirectory(folder / "run", IfExists::kRefuse).write_config("a run"); }
  write_file(folder / "run/checkpoints/step-10/weights", "whole");
  write_file(folder / "run/checkpoints/step-20.writing/weights", "half");
  write_file(folder / "run/best.previous/weights", "whole");  // it died between two renames
  write_file(folder / "run/best.writing/weights", "whole, too, but not named");
  write_file(folder / "run/report.json.writing", "half");
  const RunDirectory run(folder / "run", IfExists::kResume);
  EXPECT_THAT(run.checkpoints(), testing::ElementsAre(folder / "run/checkpoints/step-10"));
  auto files = state_of(folder / "run");
  EXPECT_EQ(files.size(), 3u);
  EXPECT_EQ(files["best/weights"], "whole");
}

}  // namespace
}  // namespace lait
