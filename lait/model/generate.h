// Greedy decoding: the most probable token, one after the other, with the keys and values of the
// earlier ones kept.
#pragma once
#include <cstdint>
#include <vector>

#include "lait/model/model.h"

namespace lait {

struct GenerateOptions {
  // Ends a text; it is not among the tokens that are returned.
  int32_t end_token = 1;
  int64_t max_tokens = 32;
};

struct GeneratedTokens {
  std::vector<int32_t> tokens;
  // Whether the logits were finite from which each of them was chosen.
  bool is_finite = true;
  bool operator==(const GeneratedTokens&) const = default;
};

// The tokens for each example of a batch that was packed for a head with a decoder. Equals
// transformers' generate(do_sample=False, num_beams=1, max_new_tokens=max_tokens).
std::vector<GeneratedTokens> generate(Model& model, const DeviceBatch& batch,
                                      const GenerateOptions& options);

}  // namespace lait
