// lait-bench: how fast the parts are, beside their peers where there are some.
#include <CLI/CLI.hpp>

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
  return run_program(app, argc, argv, [&] { return bench_tokenizer(find_model(model), text, json); });
}
