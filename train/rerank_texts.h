// Claims and passages for benchmarks of reranking.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lait {

struct RerankTexts {
  // One more than asked for; the first one is for warming up.
  std::vector<std::string> claims;
  std::vector<std::string> passages;
};

// Passages are the first lines {"text": …} (or JSON strings) of the file; "": WordNet's glosses put
// together, of the lengths of BoolQ's passages (configs/bench_lengths.txt). Claims are about ten
// words of other glosses. Throws UserError if the file has too few lines.
RerankTexts rerank_texts(const std::string& file, int64_t num_passages, int64_t num_claims);

}  // namespace lait
