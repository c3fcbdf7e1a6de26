// lait-train as users run it, on a tiny model and tiny data in a temporary folder.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {

class TinyRun : public testing::Test {
 protected:
  // Writes model/, train.jsonl, validation.jsonl and, if `test` > 0, test.jsonl with so many
  // examples, and a.yaml, which uses them. Its training section has batches of 16 examples, one
  // thread, fp32, and the text `training`.
  void write_inputs(int train, int validation, int test, const std::string& training) {
    write_checkpoint(folder_ / "model");
    write_file(folder_ / "train.jsonl", to_text(tiny_lines(1, train)));
    write_file(folder_ / "validation.jsonl", to_text(tiny_lines(2, validation)));
    std::string data =
        "train: " + path("train.jsonl") + ", validation: " + path("validation.jsonl");
    if (test > 0) {
      write_file(folder_ / "test.jsonl", to_text(tiny_lines(3, test)));
      data += ", test: " + path("test.jsonl");
    }
    write_file(
        folder_ / "a.yaml",
        "task: jsonl\nmodel: {path: " + path("model") + ", independent_layers: 2}\ndata: {" + data +
            "}\ntraining: {batch_size: 16, learning_rate: 1e-3, threads: 1, precision: fp32, " +
            training + "}\n");
  }
  // Writes passages.jsonl, so many texts.
  void write_passages(uint32_t count) {
    std::string lines;
    for (uint32_t i = 0; i < count; ++i) lines += R"({"text": ")" + tiny_word(i) + " am bn co\"}\n";
    write_file(folder_ / "passages.jsonl", lines);
  }
  std::string path(const std::string& name) { return (folder_ / name).string(); }
  // lait-train with a.yaml.
  ShellResult train(const std::string& more) {
    return shell(program("lait-train") + " --config " + path("a.yaml") + " " + more);
  }
  ShellResult train_into(const std::string& run, const std::string& more) {
    return train("--output " + path(run) + " " + more);
  }
  static std::string program(const std::string& name) { return LAIT_BUILD_DIR "/bin/" + name; }
  ShellResult shell(const std::string& command) { return lait::shell(command, folder_.path()); }

  TemporaryFolder folder_;
};

// Files that are too long to be printed where they differ.
inline bool same_bytes(const std::filesystem::path& a, const std::filesystem::path& b) {
  return read_file(a) == read_file(b);
}

// The lines of a run's metrics.jsonl without what depends on the clock.
inline std::vector<std::string> metrics_without_times(const std::filesystem::path& run) {
  std::vector<std::string> lines;
  LineReader reader(run / "metrics.jsonl");
  while (const auto line = reader.next()) {
    auto json = nlohmann::ordered_json::parse(*line);
    for (const char* name : {"examples_per_s", "tokens_per_s", "flops_per_s", "seconds", "time"})
      json.erase(name);
    lines.push_back(json.dump());
  }
  return lines;
}

}  // namespace lait
