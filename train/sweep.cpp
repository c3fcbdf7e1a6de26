#include "train/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "lait/base/error.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "train/run_list.h"

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

// The runs of each value and each seed, in folders of their own.
std::vector<ListedRun> sweep_runs(const std::string& config_file,
                                  const std::vector<Override>& overrides, const std::string& text,
                                  const std::vector<uint64_t>& seeds) {
  const Sweep sweep = text.empty() ? Sweep{"", {""}} : parse_sweep(text);
  if (std::set(seeds.begin(), seeds.end()).size() != seeds.size())
    throw UserError("--seeds: expected each seed once");
  if (!seeds.empty() && sweep.key == "training.seed")
    throw UserError("--seeds: --sweep gives the seeds already; leave one of them out");
  std::vector<ListedRun> runs;
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
    ListedRun run{fmt::format("{}", fmt::join(parts, ",")),
                  read_config(config_file, all, task_names())};
    move_into_own_folder(run);
    const auto same = std::ranges::find(runs, run.config.output.dir, [](const ListedRun& other) {
      return other.config.output.dir;
    });
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
  return run_list("sweep", sweep_runs(config_file, overrides, text, seeds), options, dry);
}

}  // namespace lait
