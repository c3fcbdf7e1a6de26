// eval/bench/: the benchmarks of kernels and tokenizer, and what all benchmarks share.
//
// Shared by the benchmarks: repeated timing, and the header of a report.
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lait {

struct Timing {  // milliseconds
  double median = 0, p10 = 0, p90 = 0;
  std::vector<double> repeats;  // in the order in which they ran
};
double milliseconds_of(const std::function<void()>& run);
// The value at that share of the sorted values. REQUIRES: there are values.
double quantile(std::vector<double> values, double share);
// Of repeats that the caller has run.
Timing timing_of(std::vector<double> repeats);

// Runs once to warm up. Then runs at least `min_repeats` times and until `max_milliseconds` have
// passed, but at most 50 times.
Timing measure(const std::function<void()>& run, double max_milliseconds = 2000,
               size_t min_repeats = 5);
// The same for several functions that are compared. They take turns, so that a change of the
// machine's speed affects all of them; each round starts with another one. `max_milliseconds` is
// the budget per function; the functions share the sum.
std::vector<Timing> measure_in_turn(const std::vector<std::function<void()>>& runs,
                                    double max_milliseconds, size_t min_repeats);
// How many times faster `ours` is than `peer`: the median of the ratios of each round.
double times_faster(const Timing& ours, const Timing& peer);

// A folder for what a benchmark writes, removed at the end.
struct BenchFolder {
  explicit BenchFolder(const std::string& name);
  ~BenchFolder();
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;

  std::filesystem::path path;
};

// {"cpu", "threads", "build", "version"}. Warns on standard error if this is a Debug build.
nlohmann::json bench_head(int threads);
std::string build_type();

// {"bench", "case", "impl", "ms_median", "ms_p10", "ms_p90", "repeats"}. The caller adds the counts
// of its benchmark.
nlohmann::json bench_row(const std::string& bench, const std::string& of_case,
                         const std::string& impl, const Timing& timing);

// Writes {"head", "rows"} unless the path is empty.
void write_bench(const std::string& path, const nlohmann::json& head, const nlohmann::json& rows);

}  // namespace lait
