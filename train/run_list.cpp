#include "train/run_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "lait/base/error.h"
#include "lait/base/program.h"
#include "train/progress.h"
#include "train/run_inputs.h"

namespace lait {
namespace {

struct NamedCost {
  std::string name;
  RunCost cost;
};

void print_costs(const std::string& list, const std::vector<NamedCost>& runs, size_t all_runs) {
  double seconds = 0;
  size_t unmeasured = 0;
  fmt::print("# {}: {} of {} runs left to do, one after the other\n", list, runs.size(), all_runs);
  for (const auto& [name, cost] : runs) {
    fmt::print("#   {}: {}, {:.0f} MB\n", name,
               cost.seconds ? format_duration(*cost.seconds) : "too little memory",
               static_cast<double>(cost.memory) / 1e6);
    seconds += cost.seconds.value_or(0);
    if (!cost.seconds) ++unmeasured;
  }
  fmt::print("# total time: {}{}\n", format_duration(seconds),
             unmeasured > 0 ? fmt::format(", and {} not measured", unmeasured) : "");
}

// A report is kept only if it belongs to this config, with what that leaves to the task and the
// model resolved.
void check_is_finished(const std::filesystem::path& dir, const Config& config) {
  std::vector<std::string> changed = changed_since(dir, resolve_inputs(config).config);
  // The run took it from its data.
  if (!config.data.num_segments) std::erase(changed, "data.num_segments");
  if (changed.empty()) return;
  throw UserError(
      fmt::format("{}: already finished, but with other values of {} (config.yaml); replace it "
                  "with --overwrite, or name another folder with --output",
                  dir.string(), fmt::join(changed, ", ")));
}

}  // namespace

void move_into_own_folder(ListedRun& run) {
  if (run.config.output.dir.empty())
    throw UserError(
        "output.dir: expected the folder of all runs; set it in the config or pass --output DIR");
  std::string folder = run.name;
  std::ranges::replace(folder, '/', '_');
  run.config.output.dir = (std::filesystem::path(run.config.output.dir) / folder).string();
}

int run_list(const std::string& list, const std::vector<ListedRun>& runs, const RunOptions& options,
             bool dry) {
  // Find impossible values before the first run.
  for (const ListedRun& run : runs) with_context(run.name, [&] { resolve_inputs(run.config); });
  std::vector<NamedCost> costs;
  for (size_t r = 0; r < runs.size(); ++r) {
    const std::filesystem::path dir = runs[r].config.output.dir;
    if (!options.quiet) {
      const std::string count = runs.size() > 1 ? fmt::format(" {} of {}", r + 1, runs.size()) : "";
      fmt::print(stderr, "── run{}: {}\n", count, runs[r].name);
    }
    RunOptions one = options;
    one.evaluate_with.clear();                     // printed once, for all runs
    one.cache = dir.parent_path() / kCacheFolder;  // shared by all runs
    if (options.if_exists != IfExists::kOverwrite && std::filesystem::exists(dir / "report.json")) {
      check_is_finished(dir, runs[r].config);
      if (!options.quiet) std::fprintf(stderr, "already finished: %s\n", dir.c_str());
      continue;
    }
    if (dry) {
      costs.push_back({runs[r].name, dry_run(runs[r].config)});
      continue;
    }
    if (options.if_exists == IfExists::kResume && !std::filesystem::exists(dir / "config.yaml"))
      one.if_exists = IfExists::kRefuse;
    if (const int code = train(runs[r].config, one); code != 0) return code;
  }
  if (!dry && !options.quiet && !options.evaluate_with.empty() && !runs.empty()) {
    const std::string folder =
        std::filesystem::path(runs.front().config.output.dir).parent_path().string();
    std::fprintf(stderr, "next: %s\n",
                 shell_words({options.evaluate_with, "--checkpoint", folder}).c_str());
  }
  if (dry) print_costs(list, costs, runs.size());
  return 0;
}

}  // namespace lait
