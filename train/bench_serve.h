// `lait-bench serve`: lait-serve under load, with and without kept segments.
#pragma once
#include <cstdint>
#include <string>

#include "train/rerank_load.h"

namespace lait {

struct ServeBench {
  // A checkpoint; "": MiniLM with a random head at three schedules.
  std::string checkpoint{};
  // As CacheBench has them.
  std::string passages{};
  int64_t num_passages = 2000;
  RerankLoad load{};
  // Sent to each server that keeps segments, after the load.
  int64_t malformed = 10000;
  std::string precision = "auto";
  int64_t threads = 0;
  std::string json{};
  // lait-serve.
  std::string program{};
};

// Prints a table, and writes JSON if a path is given. Throws UserError; std::logic_error if a
// request fails, or one that is malformed does not.
int bench_serve(const ServeBench& bench);

}  // namespace lait
