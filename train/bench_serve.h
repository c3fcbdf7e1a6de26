// `lait-bench serve`: lait-serve under load, with and without kept segments.
#pragma once
#include <cstdint>
#include <string>

#include "train/rerank_load.h"
#include "train/reranker.h"

namespace lait {

// Without a checkpoint MiniLM is measured at three schedules.
struct ServeBench : RerankBench {
  ServeBench() { num_passages = 2000; }

  RerankLoad load{};
  // Sent to each server that keeps segments, after the load.
  int64_t malformed = 10000;
  // lait-serve.
  std::string program{};
};

// Prints a table, and writes JSON if a path is given. Throws UserError; std::logic_error if a
// request fails, or one that is malformed does not.
int bench_serve(const ServeBench& bench);

}  // namespace lait
