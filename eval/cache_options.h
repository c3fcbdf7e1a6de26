// --cache and --exact: the segment store of programs that predict.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "lait/predict/predictor.h"

namespace CLI {
class App;
}

namespace lait {

struct CacheOptions {
  std::string dir = {};
  bool exact = false;
  // StoreWriteOptions::max_bytes.
  uint64_t max_bytes = 0;
  // What open() opened.
  std::shared_ptr<SegmentStore> store = {};

  void add_to(CLI::App& app);
  // --cache-bytes, after add_to: for a program that adds to a store for ever.
  void add_limit_to(CLI::App& app);
  // A store that cannot be written is only read, which is said in `program`'s name. Throws
  // UserError if there is none, and it cannot be made. REQUIRES: dir is not empty.
  StoreUse open(Predictor& predictor, const std::string& program);
  // Says what was damaged, and what else computed values that were used.
  void report(Predictor& predictor, const std::string& program) const;
};

}  // namespace lait
