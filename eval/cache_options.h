// --cache, --exact and --cache-type: the segment store of programs that predict.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "lait/predict/predictor.h"

namespace CLI {
class App;
}

namespace lait {

// The store in `dir`, to read and write. One that cannot be written is only read, and `warn` gets
// the reason. Throws UserError if there is none, and it cannot be made.
StoreUse open_store(const std::filesystem::path& dir, const StoreWriteOptions& made, bool exact,
                    const std::function<void(const std::string&)>& warn);
// --cache-type: the type that values of segments are kept in (lait/predict/value_type.h).
struct CacheTypeOption {
  std::string name = "auto";

  void add_to(CLI::App& app);
  // For synopses.
  static const char* synopsis() { return "[--cache-type auto|fp32|bf16|int8]"; }
  ValueType type() const;
};

struct CacheOptions {
  std::string dir = {};
  bool exact = false;
  CacheTypeOption type = {};
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
