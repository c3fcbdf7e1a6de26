// Benchmark: the tokenizer on one core. tests/oracles/tokenizer_bench.py measures the Rust
// tokenizer.
#pragma once
#include <filesystem>

namespace lait {

// Encodes each line of text_file (also .gz) with the tokenizer of model_dir, on this thread,
// several times. Prints the median MB/s and tokens/s and writes head and row to json_out unless
// that is empty. Returns the exit code. Throws UserError if model_dir has no tokenizer or text_file
// no text.
int bench_tokenizer(const std::filesystem::path& model_dir, const std::filesystem::path& text_file,
                    const std::filesystem::path& json_out);

}  // namespace lait
