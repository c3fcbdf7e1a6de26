#include "eval/serve/job_queue.h"

#include <algorithm>
#include <utility>

namespace lait {
namespace {

// Calls body(text) for each text of a job.
template <class Body>
void for_each_text(const Job& job, const Body& body) {
  if (job.kind == Job::Kind::kPairs) body(job.query);
  for (const std::string& text : job.texts) body(text);
  for (const Example& example : job.examples) {
    for (const std::string& text : example.segments) body(text);
  }
}

}  // namespace

size_t Job::bytes() const {
  size_t out = sizeof(Job) + examples.size() * sizeof(Example);
  for_each_text(*this, [&](const std::string& text) { out += sizeof(text) + text.size(); });
  return out;
}

int64_t Job::tokens(int64_t max_segment_tokens) const {
  int64_t out = 0;
  for_each_text(*this, [&](const std::string& text) {
    out += likely_tokens(text.size(), max_segment_tokens);
  });
  return out;
}

JobQueue::Pushed JobQueue::push(Job& job, int64_t tokens) {
  const size_t bytes = job.bytes();
  const std::lock_guard lock(mutex_);
  if (is_closed_) return Pushed::kClosed;
  const bool fits = jobs_.empty() || bytes <= max_bytes_ - std::min(bytes_, max_bytes_);
  if (jobs_.size() >= max_jobs_ || !fits) return Pushed::kFull;
  jobs_.push_back({std::move(job), tokens, bytes});
  bytes_ += bytes;
  changed_.notify_one();
  return Pushed::kYes;
}

std::vector<Job> JobQueue::take(int64_t max_tokens) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_closed_ || !jobs_.empty(); });
  std::vector<Job> out;
  for (int64_t tokens = 0; !jobs_.empty(); jobs_.pop_front()) {
    Waiting& next = jobs_.front();
    tokens += next.tokens;
    if (!out.empty() && tokens > max_tokens) break;
    bytes_ -= next.bytes;
    out.push_back(std::move(next.job));
  }
  return out;
}

void JobQueue::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  changed_.notify_all();
}

void JobQueue::abandon() {
  std::deque<Waiting> dropped;  // their answers end outside of the lock
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  dropped.swap(jobs_);
  bytes_ = 0;
  changed_.notify_all();
}

size_t JobQueue::size() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

}  // namespace lait
