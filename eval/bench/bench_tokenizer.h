// The tokenizer's speed on one core. The Rust tokenizer beside it: tests/oracles/tokenizer_bench.py.
#pragma once
#include <filesystem>

namespace lait {

// Encodes each line of text_file (.gz too) with the tokenizer of model_dir, on this thread, several times; prints the
// median MB/s and tokens/s and writes head and row to json_out, unless that is empty. Returns the exit code.
// Throws UserError: no tokenizer in model_dir, no text in text_file.
int bench_tokenizer(const std::filesystem::path& model_dir, const std::filesystem::path& text_file,
                    const std::filesystem::path& json_out);

}  // namespace lait
