// Some documents of jobs, computed at once: each query and each text once, in memory only while the
// window is.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/serve/job_queue.h"
#include "lait/predict/predictor.h"

namespace lait {

class JobWindow {
 public:
  struct Item {
    size_t job = 0, document = 0;  // indices
  };

  JobWindow(Predictor& predictor, std::span<const Job> jobs, std::span<const Item> items)
      : predictor_(predictor), jobs_(jobs), items_(items) {}

  // Adds the items' predictions to the results of their jobs. Values are the predictor's, if it has
  // some (Predictor::use_store); `batch_size` is for a predictor without. Throws TooLong as
  // JobResult says, if there is one job; WriteError if the store cannot be written.
  void predict(std::span<JobResult> results, int64_t batch_size);

 private:
  std::string text_of(const Item& item) const;
  Example example_of(const Item& item) const;
  Outputs valued_outputs(std::vector<std::vector<int32_t>>& truncated);
  Outputs outputs(std::vector<std::vector<int32_t>>& truncated, int64_t batch_size);

  Predictor& predictor_;
  const std::span<const Job> jobs_;
  const std::span<const Item> items_;
};

}  // namespace lait
