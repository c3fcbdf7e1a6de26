// Computes the jobs of a queue, those that wait together in one batch.
#pragma once
#include <exception>
#include <span>
#include <vector>

#include "eval/serve/job_queue.h"
#include "eval/serve/metrics.h"
#include "lait/predict/predictor.h"

namespace lait {

struct WorkerOptions {
  // About, of texts: more do not make a batch faster, and its jobs wait for each other.
  int64_t batch_tokens = 32768;
  // At once, if there are so many documents, and values of so many bytes.
  int64_t window_documents = 1024, window_bytes = int64_t{256} << 20;
  // Of texts with their queries, for a model that has no values.
  size_t window_text_bytes = size_t{16} << 20;
  int64_t batch_size = kEvaluationBatch;  // the same
};

class ModelWorker {
 public:
  ModelWorker(Predictor& predictor, JobQueue& queue, ServeMetrics& metrics,
              const WorkerOptions& options = {})
      : predictor_(predictor), queue_(queue), metrics_(metrics), options_(options) {}

  // On one thread, until the queue is closed and empty. What a job throws is its result. Jobs are
  // answered as soon as they are computed; what they added to the store is written afterwards.
  void run();

 private:
  void compute(std::span<Job> jobs);
  void predict(std::span<Job> jobs);
  void add_texts(Job& job);
  void answer(Job& job, JobResult result);
  void commit();
  // Calls body() again if the store could not be written.
  template <class Body>
  void writing(const Body& body);
  void only_read(const std::exception& error);

  Predictor& predictor_;
  JobQueue& queue_;
  ServeMetrics& metrics_;
  const WorkerOptions options_;
};

}  // namespace lait
