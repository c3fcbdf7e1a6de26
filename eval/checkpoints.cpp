#include "eval/checkpoints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/config/read.h"
#include "lait/data/labels.h"
#include "lait/data/task.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSpecFile = "lait.yaml";
constexpr const char* kConfigFile = "config.yaml";
constexpr const char* kBest = "best";

// Natural order: "P=10" comes after "P=9".
bool before(const std::string& a, const std::string& b) {
  auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      auto number = [&](const std::string& text, size_t& at) {
        size_t begin = at;
        while (at < text.size() && is_digit(text[at])) ++at;
        while (begin + 1 < at && text[begin] == '0') ++begin;
        return text.substr(begin, at - begin);
      };
      const std::string x = number(a, i), y = number(b, j);
      if (x != y) return x.size() != y.size() ? x.size() < y.size() : x < y;
    } else if (a[i] != b[j]) {
      return a[i] < b[j];
    } else {
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

std::optional<fs::path> run_of(const fs::path& checkpoint) {
  const fs::path parent = fs::absolute(checkpoint).lexically_normal().parent_path();
  if (fs::exists(parent / kConfigFile))
    return checkpoint.has_parent_path() ? checkpoint.parent_path() : parent;
  return std::nullopt;
}

// The checkpoint in the folder of a checkpoint or of a run.
std::optional<Checkpoint> checkpoint_in(const fs::path& dir) {
  if (fs::exists(dir / kSpecFile)) return Checkpoint{dir, run_of(dir)};
  if (!fs::exists(dir / kBest / kSpecFile)) return std::nullopt;
  return Checkpoint{dir / kBest, fs::exists(dir / kConfigFile) ? std::optional(dir) : std::nullopt};
}

std::string list_names(const fs::path& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir))
    names.push_back(entry.path().filename().string());
  if (names.empty()) return "an empty folder";
  std::ranges::sort(names);
  constexpr size_t kShown = 6;
  std::string text = "a folder with ";
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += (i > 0 ? ", " : "") + names[i];
  return text + (names.size() > kShown ? ", …" : "");
}

}  // namespace

FoundCheckpoints find_checkpoints(const fs::path& given) {
  fs::path dir = given.lexically_normal();
  if (!dir.has_filename() && dir.has_parent_path()) dir = dir.parent_path();  // "runs/" is "runs"
  const std::string expected = given.string() +
                               ": expected a checkpoint (lait.yaml), a run directory (best/) or a "
                               "folder of run directories, got ";
  if (!fs::exists(dir)) throw UserError(expected + "nothing of that name; check the path");
  if (!fs::is_directory(dir)) throw UserError(expected + "a file; give its folder");
  if (const auto checkpoint = checkpoint_in(dir)) return {{*checkpoint}, {}};
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(dir)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::ranges::sort(folders, before, [](const fs::path& path) { return path.filename().string(); });
  FoundCheckpoints found;
  for (const fs::path& folder : folders) {
    if (const auto checkpoint = checkpoint_in(folder)) {
      found.checkpoints.push_back(*checkpoint);
    } else if (fs::exists(folder / kConfigFile)) {
      found.unfinished.push_back(folder);
    }
  }
  if (found.checkpoints.empty())
    throw UserError(expected + list_names(dir) +
                    "; train a model with lait-train (best/ is written at its first evaluation)");
  return found;
}

void check_report_folder(const fs::path& dir) {
  if (fs::exists(dir / kConfigFile)) {
    throw UserError("--report: expected a folder for the report alone, got " + dir.string() +
                    ", a run directory, whose report.json would be replaced; name another, e.g. " +
                    (dir / "evaluation").string());
  }
  // Check the folder, or its nearest parent that exists, now and not after hours of evaluation.
  fs::path there = fs::absolute(dir).lexically_normal();
  while (!fs::exists(there) && there.has_relative_path()) there = there.parent_path();
  if (!fs::is_directory(there))
    throw UserError("--report: " + dir.string() + ": expected a folder, but " + there.string() +
                    " is a file; name another");
  if (::access(there.c_str(), W_OK | X_OK) != 0) throw_write_error(there, "write into the folder");
}

namespace {

// Files read as the run with that config, in `file`, read its own.
EvaluationData data_of_run(const std::string& split, const DataFiles& files, Config config,
                           const fs::path& file) {
  EvaluationData data{.split = split,
                      .files = files,
                      .skip_bad_lines = config.data.skip_bad_lines,
                      .skip_key = "data.skip_bad_lines in " + file.string(),
                      .text_files = read_options(config.data).text_files,
                      .seed = config.training.seed};
  config.training.seed = {};
  config.output.dir.clear();
  data.config = write_config(config);
  return data;
}

}  // namespace

EvaluationData run_data(const Checkpoint& checkpoint, const std::string& split) {
  if (!checkpoint.run) {
    throw UserError(checkpoint.dir.string() + ": expected " + kConfigFile +
                    " beside it (a run directory of lait-train) to know the data, got none; "
                    "name the data with --data FILE");
  }
  const fs::path file = *checkpoint.run / kConfigFile;
  const Config config = read_config(file, {});
  const DataConfig& data = config.data;
  auto files_of = [&](const std::string& name) {
    return name == "test" ? data.test : name == "validation" ? data.validation : data.train;
  };
  for (const std::string name : {"test", "validation", "train"}) {
    // Without --split, the training data is never used.
    if (split.empty() ? name == "train" : name != split) continue;
    const DataFiles files = files_of(name);
    for (const std::string& data_file : files) {
      if (fs::exists(data_file)) continue;
      throw UserError(file.string() + ": data." + name + " is " + data_file +
                      ", which does not exist (seen from " + fs::current_path().string() +
                      "); run from the folder of the training, or name the data with --data FILE");
    }
    if (!files.empty()) return data_of_run(name, files, config, file);
  }
  throw UserError(file.string() + ": expected " +
                  (split.empty() ? "data.test or data.validation" : "data." + split) +
                  " to evaluate on, got none; name the data with --data FILE");
}

EvaluationData named_data(const Checkpoint& checkpoint, const DataFiles& files) {
  const std::string name = fmt::format("{}", fmt::join(files, ", "));
  if (checkpoint.run) {
    const fs::path file = *checkpoint.run / kConfigFile;
    try {
      return data_of_run(name, files, read_config(file, {}), file);
    } catch (const UserError&) {
      // The config.yaml of another program. Nothing in it is needed here.
    }
  }
  EvaluationData data{};
  data.split = name;
  data.files = files;
  return data;
}

LabelledData read_examples(const ModelSpec& spec, const EvaluationData& data) {
  const Task& task = find_task(spec.task);
  if (!task.open_labels() && !std::ranges::is_permutation(task.labels(), spec.labels)) {
    throw UserError("the checkpoint's lait.yaml has other labels than task " + task.name() +
                    "; train it again");
  }
  ReadOptions options = spec.reading;
  options.labels = spec.labels;
  options.skip_bad_lines = data.skip_bad_lines;
  options.skip_key = data.skip_key;
  options.text_files = data.text_files;
  if (task.open_labels()) options.labels.clear();
  LabelledData read = read_files(task, data.files, options);
  if (task.open_labels()) {
    assign(read.examples, spec.label_kind(), spec.labels);
  }
  return read;
}

}  // namespace lait
