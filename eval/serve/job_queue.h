// Work for the model, in the order of its arrival: a bounded queue between the thread that reads
// requests and the one that computes.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lait/data/example.h"
#include "lait/model/head.h"
#include "lait/predict/segment_values.h"

namespace lait {

struct JobResult {
  // Why there is no result; null: there is one. TooLong has the document's index, or kQueryText.
  std::exception_ptr error = {};
  // In the order of the documents.
  std::vector<Prediction> predictions = {};
  // What the score is the sigmoid of; empty: the model's score is none.
  std::vector<double> logits = {};
  // Of each document, the segments of its example that lost tokens.
  std::vector<std::vector<int32_t>> truncated = {};
  // The job's texts.
  std::vector<std::string> texts = {};
  // Of kAhead: what was there, and what was computed.
  SegmentValues::Counts counts = {};
};
inline constexpr size_t kQueryText = SIZE_MAX;

struct Job {
  enum class Kind {
    kPairs,     // predicts the query with each text
    kExamples,  // predicts the examples
    kAhead      // computes the texts' values, as second segments of pairs
  };
  Kind kind = Kind::kExamples;
  std::string query = {};
  std::vector<std::string> texts = {};
  std::vector<Example> examples = {};
  // Of kPairs: texts are cut to so many tokens first.
  std::optional<int64_t> max_text_tokens = {};
  // Called once, by the thread that computes. May not throw.
  std::function<void(JobResult)> done = {};

  size_t documents() const { return kind == Kind::kExamples ? examples.size() : texts.size(); }
  // What it takes in memory, about.
  size_t bytes() const;
  // About its tokens; of one text at most so many are computed.
  int64_t tokens(int64_t max_segment_tokens) const;
};

// All functions may be called by several threads at once.
class JobQueue {
 public:
  enum class Pushed { kYes, kFull, kClosed };

  // A job that is larger than max_bytes is taken if no other waits.
  JobQueue(size_t max_jobs, size_t max_bytes) : max_jobs_(max_jobs), max_bytes_(max_bytes) {}

  // Takes the job from the caller, or leaves it.
  Pushed push(Job& job, int64_t tokens);
  // Waits for jobs, and takes those that wait, in their order: one at least, and more up to so many
  // tokens. Empty: the queue was closed, and all jobs are taken.
  std::vector<Job> take(int64_t max_tokens);
  // No more jobs will come.
  void close();
  // Closes it, and drops the jobs that wait.
  void abandon();
  size_t size() const;

 private:
  struct Waiting {
    Job job;
    int64_t tokens;
    size_t bytes;
  };
  const size_t max_jobs_, max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> jobs_;
  size_t bytes_ = 0;
  bool is_closed_ = false;
};

}  // namespace lait
