#include "eval/bench/bench.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "lait/base/available_cpus.h"
#include "lait/base/files.h"
#include "lait/base/program.h"

namespace lait {
namespace {

constexpr size_t kMaxRepeats = 50;

}  // namespace

BenchFolder::BenchFolder(const std::string& name)
    : path(std::filesystem::temp_directory_path() /
           ("lait_bench_" + name + "_" + std::to_string(::getpid()))) {
  std::filesystem::create_directories(path);
}

BenchFolder::~BenchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

double milliseconds_of(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

Timing timing_of(std::vector<double> repeats) {
  return {.median = quantile(repeats, 0.5),
          .p10 = quantile(repeats, 0.1),
          .p90 = quantile(repeats, 0.9),
          .repeats = std::move(repeats)};
}

Timing measure(const std::function<void()>& run, double max_milliseconds, size_t min_repeats) {
  return measure_in_turn({run}, max_milliseconds, min_repeats).front();
}

std::vector<Timing> measure_in_turn(const std::vector<std::function<void()>>& runs,
                                    double max_milliseconds, size_t min_repeats) {
  for (const auto& run : runs) run();
  std::vector<std::vector<double>> repeats(runs.size());
  const double most = max_milliseconds * static_cast<double>(runs.size());
  double total = 0;
  for (size_t turn = 0; turn < min_repeats || (total < most && turn < kMaxRepeats); ++turn) {
    for (size_t i = 0; i < runs.size(); ++i) {
      const size_t next = (turn + i) % runs.size();
      repeats[next].push_back(milliseconds_of(runs[next]));
      total += repeats[next].back();
    }
  }
  std::vector<Timing> timings;
  for (std::vector<double>& of_run : repeats) timings.push_back(timing_of(std::move(of_run)));
  return timings;
}

double times_faster(const Timing& ours, const Timing& peer) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.repeats.size(); ++i)
    ratios.push_back(peer.repeats[i] / ours.repeats[i]);
  return quantile(std::move(ratios), 0.5);
}

std::string build_type() {
#ifdef __OPTIMIZE__
  return "Release";
#else
  return "Debug";
#endif
}

nlohmann::json bench_head(int threads) {
  if (build_type() == "Debug")
    std::fprintf(stderr, "warning: this is a Debug build; its times mean little\n");
  return {{"cpu", cpu_name()},
          {"threads", threads},
          {"build", build_type()},
          {"version", version_string()}};
}

nlohmann::json bench_row(const std::string& bench, const std::string& of_case,
                         const std::string& impl, const Timing& timing) {
  return {{"bench", bench},
          {"case", of_case},
          {"impl", impl},
          {"ms_median", timing.median},
          {"ms_p10", timing.p10},
          {"ms_p90", timing.p90},
          {"repeats", timing.repeats.size()}};
}

void write_bench(const std::string& path, const nlohmann::json& head, const nlohmann::json& rows) {
  if (!path.empty())
    write_file(path, nlohmann::json{{"head", head}, {"rows", rows}}.dump(2) + "\n");
}

}  // namespace lait
