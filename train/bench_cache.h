// `lait-bench cache`: a new claim against many passages whose values a store has, at each P, beside
// the same model without a store and beside transformers.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "train/reranker.h"

namespace lait {

struct CacheBench : RerankBench {
  int64_t claims = 5;
  // A Python with transformers; "": none.
  std::string python{};
};

// Prints tables, and writes JSON if a path is given. What is compared takes turns. Throws
// UserError.
int bench_cache(const CacheBench& bench);

// The script that runs transformers (rerank_peer.py).
extern const std::string_view kRerankPeer;

}  // namespace lait
