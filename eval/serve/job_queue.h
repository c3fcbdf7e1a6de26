// Work for the model, in the order of its arrival: a bounded queue between the threads that read
// requests and the one that computes.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lait/data/example.h"
#include "lait/model/head.h"
#include "lait/predict/segment_values.h"

namespace lait {

struct JobResult {
  // In the order of the examples.
  std::vector<Prediction> predictions = {};
  // What the score is the sigmoid of; empty: the model's score is none.
  std::vector<double> logits = {};
  // Of each example, the segments that lost tokens.
  std::vector<std::vector<int32_t>> truncated = {};
  // Of texts: what was there, and what was computed.
  SegmentValues::Counts counts = {};
};

struct Job {
  // To predict.
  std::vector<Example> examples = {};
  // Or to compute ahead: second segments of pairs.
  std::vector<std::string> texts = {};
  std::promise<JobResult> result = {};

  size_t documents() const { return examples.size() + texts.size(); }
};

// All functions may be called by several threads at once.
class JobQueue {
 public:
  explicit JobQueue(size_t most_jobs) : most_jobs_(most_jobs) {}

  // Null: the queue is full.
  std::optional<std::future<JobResult>> push(Job job);
  // Waits for jobs, and takes those that wait, in their order: one at least, and more up to so many
  // documents. Empty: the queue was closed, and all jobs are taken.
  std::vector<Job> take(size_t most_documents);
  // No more jobs will come.
  void close();
  size_t size() const;

 private:
  const size_t most_jobs_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool is_closed_ = false;
};

}  // namespace lait
