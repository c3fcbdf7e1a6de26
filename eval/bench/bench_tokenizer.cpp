// Times Tokenizer::encode over the lines of a file.
#include "eval/bench/bench_tokenizer.h"

#include <cstdio>
#include <string>
#include <vector>

#include "eval/bench/bench.h"
#include "lait/base/available_cpus.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/text/tokenizer.h"

namespace lait {

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
  if (num_bytes == 0) throw UserError(text_file.string() + ": expected lines of text, got none");

  size_t num_tokens = 0;
  std::vector<int32_t> ids;
  const Timing timing = measure([&] {
    num_tokens = 0;
    for (const std::string& line : lines) {
      ids.clear();
      tokenizer->encode(line, ids);
      num_tokens += ids.size();
    }
  });
  const double megabytes_per_s = static_cast<double>(num_bytes) / 1e3 / timing.median;
  const double tokens_per_s = static_cast<double>(num_tokens) * 1e3 / timing.median;

  const nlohmann::json head = bench_head(1);
  std::printf("tokenizer on one core of %s, %s build\n", cpu_name().c_str(), build_type().c_str());
  std::printf("%s: %zu lines, %.2f MB, %zu tokens\n", text_file.string().c_str(), lines.size(),
              static_cast<double>(num_bytes) / 1e6, num_tokens);
  std::printf(
      "lait  %.1f MB/s  %.2f million tokens/s  (median of %zu; %.2f ms, p10 %.2f, p90 %.2f)\n",
      megabytes_per_s, tokens_per_s / 1e6, timing.repeats.size(), timing.median, timing.p10,
      timing.p90);
  nlohmann::json row = bench_row("tokenizer", text_file.filename().string(), "lait", timing);
  row.update({{"lines", lines.size()},
              {"bytes", num_bytes},
              {"tokens", num_tokens},
              {"megabytes_per_s", megabytes_per_s},
              {"tokens_per_s", tokens_per_s}});
  write_bench(json_out, head, nlohmann::json::array({row}));
  return 0;
}

}  // namespace lait
