// lait-bench: how fast the parts are, beside their peers where there are some.
#include <CLI/CLI.hpp>

#include "eval/bench_attention.h"
#include "eval/bench_tokenizer.h"
#include "lait/config/read.h"
#include "lait/program.h"

int main(int argc, char** argv) {
  using namespace lait;
  CLI::App app{"Measures how fast the parts are.", "lait-bench"};
  app.require_subcommand(1);
  std::string model = "all-MiniLM-L6-v2", text = "/usr/share/wordnet/data.noun", json;
  auto* tokenizer = app.add_subcommand("tokenizer", "WordPiece on one core: MB/s and tokens/s (tests/oracles/tokenizer_bench.py puts the Rust library beside it)");
  tokenizer->add_option("--model", model, "model whose vocabulary is used")->capture_default_str();
  tokenizer->add_option("--text", text, "text file, a text a line")->capture_default_str();
  tokenizer->add_option("--json", json, "also write the figures to this file");
  AttentionBench attention;
  auto* attend = app.add_subcommand("attention", "segment attention beside scaled_dot_product_attention: padded, with a block mask, unit by unit");
  attend->add_option("--lengths", attention.lengths, "file of lines \"name n1 n2\", an example's segment lengths (tests/kernels_cuda/lengths.txt)")->required();
  attend->add_option("--head-dim", attention.head_dims, "head dims: 32, 64, 128")->check(CLI::IsMember(std::vector<int64_t>{32, 64, 128}))->capture_default_str();
  attend->add_option("--dtype", attention.dtypes, "bf16, fp32")->capture_default_str();
  attend->add_option("--heads", attention.heads, "heads")->check(CLI::PositiveNumber)->capture_default_str();
  attend->add_option("--batch", attention.batch, "examples of a batch, sorted by length")->check(CLI::PositiveNumber)->capture_default_str();
  std::string device = "cpu";
  attend->add_option("--device", device, "cpu, or cuda: beside FlashAttention-2, too")->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))->capture_default_str();
  attend->add_option("--threads", attention.threads, "threads; 0: all cores")->check(CLI::NonNegativeNumber)->capture_default_str();
  attend->add_option("--milliseconds", attention.max_milliseconds, "time for each figure")->check(CLI::PositiveNumber)->capture_default_str();
  attend->add_option("--json", attention.json, "also write the figures to this file");
  return run_program(app, argc, argv, [&] {
    if (device == "cuda") attention.device = DeviceKind::kCuda;
    return attend->parsed() ? bench_attention(attention) : bench_tokenizer(find_model(model), text, json);
  });
}
