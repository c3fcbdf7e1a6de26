// `lait-bench cache`: a new claim against many passages whose values a store has, at each P, beside
// the same model without a store and beside transformers.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace lait {

struct CacheBench {
  // A checkpoint; "": MiniLM with a random head.
  std::string checkpoint{};
  // Lines {"text": …} or JSON strings; "": WordNet's glosses, repeated to BoolQ's lengths.
  std::string passages{};
  int64_t num_passages = 1000, claims = 5;
  // A Python with transformers; "": none.
  std::string python{};
  std::string precision = "auto";
  int64_t threads = 0;
  std::string json{};
};

// Prints tables, and writes JSON if a path is given. What is compared takes turns. Throws
// UserError.
int bench_cache(const CacheBench& bench);

// The script that runs transformers (rerank_peer.py).
extern const std::string_view kRerankPeer;

}  // namespace lait
