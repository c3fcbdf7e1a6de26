// Clients that ask a server to rank documents, as many at once as there are, each one request after
// another.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "train/serve_process.h"

namespace lait {

// Numbers from 0 on, the first ones more often (Zipf's law with exponent 1: number i is drawn in
// proportion to 1/(i + 1)).
class ZipfNumbers {
 public:
  explicit ZipfNumbers(size_t size);
  // Distinct ones. REQUIRES: count <= size.
  std::vector<size_t> distinct(size_t count, std::mt19937_64& random);

 private:
  std::discrete_distribution<size_t> draw_;
};

struct RerankLoad {
  int64_t clients = 16;
  int64_t documents = 100;  // of a request
  double seconds = 60;
};

struct LoadResult {
  std::vector<double> milliseconds;  // of each request
  double seconds = 0;
  // Answers that are no 200 with a score for each document, and the first of them.
  int64_t errors = 0;
  std::string first_error = {};
  // Of the server: when the clients begin, after a third of the time, and at the end.
  int64_t rss_begin = 0, rss_warm = 0, rss_end = 0;
};

// Each request has the next query, and documents that are drawn from all by Zipf's law.
LoadResult run_load(const ServeProcess& server, const RerankLoad& load,
                    const std::vector<std::string>& queries,
                    const std::vector<std::string>& documents);

}  // namespace lait
