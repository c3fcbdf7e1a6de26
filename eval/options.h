// Options shared by all programs that run a model.
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
  int64_t threads = 0;  // 0: auto; see lait/model/threads.h
  std::string precision_name = "auto", device_name = "auto";
  bool quiet = false;  // no progress; warnings are still shown

  void add_to(CLI::App& app);
  static const char* synopsis();  // lists these options
  // Sets the number of threads. Throws UserError if the device is missing.
  void apply() const;
  Precision precision() const;
  DeviceKind device() const;
};

}  // namespace lait
