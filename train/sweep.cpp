#include "train/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>

#include "lait/base/error.h"
#include "lait/base/program.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "train/progress.h"
#include "train/run_inputs.h"

namespace lait {
namespace {

constexpr uint64_t kMaxRuns = 1000;

[[noreturn]] void bad(const std::string& text) {
  throw UserError(fmt::format(
      "--sweep: expected key=a,b,c (each once) or key=a..b (whole numbers, a ≤ b, at most {} of "
      "them), got '{}'",
      kMaxRuns, text));
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

// "a..b" of whole numbers. nullopt: a list of values. Paths contain dots too ("../model").
std::optional<std::pair<int64_t, int64_t>> whole_range(std::string_view values,
                                                       const std::string& all) {
  const size_t dots = values.find("..");
  if (dots == values.npos || values.find('/') != values.npos) return std::nullopt;
  const auto first = whole_number(values.substr(0, dots)),
             last = whole_number(values.substr(dots + 2));
  if (!first || !last) bad(all);
  return std::pair(*first, *last);
}

// Where the value at `begin` ends: at a comma, or at the end. A value that begins with a bracket is
// a list or a mapping, and commas up to its closing bracket belong to it.
size_t end_of_value(std::string_view values, size_t begin) {
  int depth = 0;
  char quote = 0;
  const bool brackets =
      values.substr(begin).starts_with('[') || values.substr(begin).starts_with('{');
  for (size_t i = begin; i < values.size(); ++i) {
    const char c = values[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (depth > 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (brackets && (c == '[' || c == '{')) {
      ++depth;
    } else if (brackets && (c == ']' || c == '}')) {
      --depth;
    } else if (c == ',' && depth <= 0) {
      return i;
    }
  }
  return values.size();
}

struct NamedCost {
  std::string name;
  RunCost cost;
};

void print_costs(const std::vector<NamedCost>& runs, size_t all_runs) {
  double seconds = 0;
  size_t unmeasured = 0;
  fmt::print("# sweep: {} of {} runs left to do, one after the other\n", runs.size(), all_runs);
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

Sweep parse_sweep(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) bad(text);
  Sweep sweep{text.substr(0, equals), {}};
  const std::string values = text.substr(equals + 1);
  if (const auto range = whole_range(values, text)) {
    const auto [first, last] = *range;
    if (first > last || static_cast<uint64_t>(last) - static_cast<uint64_t>(first) >= kMaxRuns)
      bad(text);
    for (int64_t v = first; v <= last; ++v) sweep.values.push_back(std::to_string(v));
    return sweep;
  }
  for (size_t begin = 0; begin <= values.size();) {
    const size_t comma = end_of_value(values, begin);
    const std::string value = values.substr(begin, comma - begin);
    if (value.empty() || std::ranges::find(sweep.values, value) != sweep.values.end()) bad(text);
    sweep.values.push_back(value);
    begin = comma + 1;
  }
  return sweep;
}

namespace {

struct SweepRun {
  std::string name;
  Config config;
};

// The runs of each value and each seed, in folders of their own.
std::vector<SweepRun> sweep_runs(const std::string& config_file,
                                 const std::vector<Override>& overrides, const std::string& text,
                                 const std::vector<uint64_t>& seeds) {
  const Sweep sweep = text.empty() ? Sweep{"", {""}} : parse_sweep(text);
  if (std::set(seeds.begin(), seeds.end()).size() != seeds.size())
    throw UserError("--seeds: expected each seed once");
  if (!seeds.empty() && sweep.key == "training.seed")
    throw UserError("--seeds: --sweep gives the seeds already; leave one of them out");
  std::vector<SweepRun> runs;
  const auto add = [&](const std::string& value, std::optional<uint64_t> seed) {
    auto all = overrides;
    std::vector<std::string> parts;
    if (!sweep.key.empty()) {
      parts.push_back(sweep.key + "=" + value);
      all.emplace_back(parts.back(), "--sweep");
    }
    if (seed) {
      parts.push_back("seed=" + std::to_string(*seed));
      all.emplace_back("training." + parts.back(), "--seeds");
    }
    SweepRun run{fmt::format("{}", fmt::join(parts, ",")),
                 read_config(config_file, all, task_names())};
    if (run.config.output.dir.empty())
      throw UserError(
          "output.dir: expected the sweep's folder; set it in the config or pass --output DIR");
    std::string folder = run.name;
    std::ranges::replace(folder, '/', '_');
    run.config.output.dir = (std::filesystem::path(run.config.output.dir) / folder).string();
    const auto same = std::ranges::find(
        runs, run.config.output.dir, [](const SweepRun& other) { return other.config.output.dir; });
    if (same != runs.end()) {
      throw UserError(fmt::format(
          "--sweep: expected values with folders of their own, got {} and {}, both for {}; write a "
          "path in another way, e.g. ./{}",
          same->name, run.name, run.config.output.dir, value));
    }
    runs.push_back(std::move(run));
  };
  for (const std::string& value : sweep.values) {
    if (seeds.empty()) add(value, std::nullopt);
    for (const uint64_t seed : seeds) add(value, seed);
  }
  return runs;
}

}  // namespace

int run_sweep(const std::string& config_file, const std::vector<Override>& overrides,
              const std::string& text, const std::vector<uint64_t>& seeds,
              const RunOptions& options, bool dry) {
  const std::vector<SweepRun> runs = sweep_runs(config_file, overrides, text, seeds);
  // Find impossible values before the first run.
  for (const SweepRun& run : runs) with_context(run.name, [&] { resolve_inputs(run.config); });
  std::vector<NamedCost> costs;
  for (size_t r = 0; r < runs.size(); ++r) {
    const std::filesystem::path dir = runs[r].config.output.dir;
    if (!options.quiet)
      std::fprintf(stderr, "── run %zu of %zu: %s\n", r + 1, runs.size(), runs[r].name.c_str());
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
  if (!dry && !options.quiet && !runs.empty()) {
    const std::string folder =
        std::filesystem::path(runs.front().config.output.dir).parent_path().string();
    std::fprintf(stderr, "next: %s\n",
                 shell_words({options.evaluate_with, "--checkpoint", folder}).c_str());
  }
  if (dry) print_costs(costs, runs.size());
  return 0;
}

}  // namespace lait
