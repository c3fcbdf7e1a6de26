// The options that every program which runs a model shares.
#pragma once
#include <string>

#include "lait/predict/predictor.h"

namespace CLI {
class App;
}

namespace lait {

inline constexpr int kMaxThreads = 4096;

struct ModelOptions {
  int64_t batch_size = kEvaluationBatch;
  int64_t threads = 0;  // 0: all cores
  std::string precision_name = "auto", device_name = "auto";
  bool quiet = false;  // no progress; warnings stay

  void add_to(CLI::App& app);
  static const char* synopsis();  // of what add_to adds
  // Sets the number of threads. Throws UserError for a device that is not there.
  void apply() const;
  Precision precision() const;
  DeviceKind device() const;
};

}  // namespace lait
