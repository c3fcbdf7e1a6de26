// Computes the jobs of a queue, those that wait together in one batch.
#pragma once
#include <span>
#include <vector>

#include "eval/serve/job_queue.h"
#include "eval/serve/metrics.h"
#include "lait/predict/predictor.h"

namespace lait {

// Of documents: more do not make a batch faster, and all its jobs wait for the last one.
inline constexpr size_t kMostBatchDocuments = 1024;

class ModelWorker {
 public:
  // Through the predictor's store, if it uses one (Predictor::use_store); `batch_size` is for a
  // predictor without.
  ModelWorker(Predictor& predictor, JobQueue& queue, ServeMetrics& metrics,
              int64_t batch_size = kEvaluationBatch)
      : predictor_(predictor), queue_(queue), metrics_(metrics), batch_size_(batch_size) {}

  // On one thread, until the queue is closed and empty. What a job throws is its result's.
  void run();

 private:
  void predict_all(std::span<Job> jobs);
  // If the store cannot be written, it is only read from now on.
  JobResult result_of(const Job& job);
  JobResult predict(std::span<const Example> examples);
  JobResult add_texts(const Job& job);

  Predictor& predictor_;
  JobQueue& queue_;
  ServeMetrics& metrics_;
  const int64_t batch_size_;
};

}  // namespace lait
