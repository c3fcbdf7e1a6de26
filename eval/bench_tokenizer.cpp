// Times Tokenizer::encode over the lines of a file.
#include "eval/bench_tokenizer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lait/error.h"
#include "lait/files.h"
#include "lait/text/tokenizer.h"

namespace lait {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMinRepeats = 5, kMaxRepeats = 50;
constexpr double kMaxMilliseconds = 2000;  // of all repeats, but for the least number of them

#ifdef NDEBUG
constexpr const char* kBuild = "Release";
#else
constexpr const char* kBuild = "Debug";
#endif

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.find(':') + 2, line.size()));
  }
  return "unknown";
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace

int bench_tokenizer(const std::filesystem::path& model_dir, const std::filesystem::path& text_file,
                    const std::filesystem::path& json_out) {
  const auto tokenizer = load_tokenizer(model_dir);
  std::vector<std::string> lines;
  size_t num_bytes = 0;
  LineReader reader(text_file);
  while (auto line = reader.next()) {
    num_bytes += line->size();
    lines.push_back(std::move(*line));
  }
  if (num_bytes == 0) throw UserError(text_file.string() + ": expected lines of text, it has none");

  size_t num_tokens = 0;
  std::vector<int32_t> ids;
  const auto run = [&] {
    const auto begin = Clock::now();
    num_tokens = 0;
    for (const std::string& line : lines) {
      ids.clear();
      tokenizer->encode(line, ids);
      num_tokens += ids.size();
    }
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  };
  run();  // warms caches and buffers
  std::vector<double> times;
  double total = 0;
  while (times.size() < kMinRepeats || (total < kMaxMilliseconds && times.size() < kMaxRepeats)) {
    times.push_back(run());
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  const double median = quantile(times, 0.5), p10 = quantile(times, 0.1), p90 = quantile(times, 0.9);
  const double megabytes_per_s = static_cast<double>(num_bytes) / 1e3 / median;
  const double tokens_per_s = static_cast<double>(num_tokens) * 1e3 / median;

  if (std::string(kBuild) == "Debug") std::fprintf(stderr, "warning: a Debug build; its times say little\n");
  std::printf("tokenizer on one core of %s, %s build\n", cpu_name().c_str(), kBuild);
  std::printf("%s: %zu lines, %.2f MB, %zu tokens\n", text_file.string().c_str(), lines.size(),
              static_cast<double>(num_bytes) / 1e6, num_tokens);
  std::printf("lait  %.1f MB/s  %.2f million tokens/s  (median of %zu; %.2f ms, p10 %.2f, p90 %.2f)\n", megabytes_per_s,
              tokens_per_s / 1e6, times.size(), median, p10, p90);
  if (!json_out.empty()) {
    const nlohmann::json report = {
        {"head", {{"cpu", cpu_name()}, {"threads", 1}, {"build", kBuild}}},
        {"rows",
         {{{"bench", "tokenizer"},
           {"case", text_file.filename().string()},
           {"impl", "lait"},
           {"lines", lines.size()},
           {"bytes", num_bytes},
           {"tokens", num_tokens},
           {"repeats", times.size()},
           {"ms_median", median},
           {"ms_p10", p10},
           {"ms_p90", p90},
           {"megabytes_per_s", megabytes_per_s},
           {"tokens_per_s", tokens_per_s}}}}};
    write_file(json_out, report.dump(2) + "\n");
  }
  return 0;
}

}  // namespace lait
