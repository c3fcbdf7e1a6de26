// eval/bench/: the benchmarks, and the program lait-bench.
//
// What the benchmarks share: repeated timing, and the head of a report.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lait {

struct Timing {  // milliseconds
  double median = 0, p10 = 0, p90 = 0;
  std::vector<double> repeats;  // in the order they ran
};

// Runs once to warm up, then at least `min_repeats` times and until `max_milliseconds` are spent, at most 50 times.
Timing measure(const std::function<void()>& run, double max_milliseconds = 2000,
               size_t min_repeats = 5);
// The same for several things that are compared: they take turns, so that what changes on the machine meets all of them, and
// another one begins each turn. `max_milliseconds` for each of them, in one pot.
std::vector<Timing> measure_in_turn(const std::vector<std::function<void()>>& runs,
                                    double max_milliseconds, size_t min_repeats);
// How many times faster `ours` is than `peer`, the median over their turns.
double times_faster(const Timing& ours, const Timing& peer);

// {"cpu", "threads", "build", "version"}; says on standard error where the build is a Debug one.
nlohmann::json bench_head(int threads);
std::string cpu_name();
std::string build_type();

// {"bench", "case", "impl", "ms_median", "ms_p10", "ms_p90", "repeats"}; the caller adds what the bench counts.
nlohmann::json bench_row(const std::string& bench, const std::string& of_case,
                         const std::string& impl, const Timing& timing);

// Writes {"head", "rows"}, unless the path is empty.
void write_bench(const std::string& path, const nlohmann::json& head, const nlohmann::json& rows);

}  // namespace lait
