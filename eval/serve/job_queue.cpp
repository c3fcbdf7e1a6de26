#include "eval/serve/job_queue.h"

namespace lait {

std::optional<std::future<JobResult>> JobQueue::push(Job job) {
  const std::lock_guard lock(mutex_);
  if (is_closed_ || jobs_.size() >= most_jobs_) return std::nullopt;
  auto result = job.result.get_future();
  jobs_.push_back(std::move(job));
  changed_.notify_one();
  return result;
}

std::vector<Job> JobQueue::take(size_t most_documents) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_closed_ || !jobs_.empty(); });
  std::vector<Job> out;
  for (size_t documents = 0; !jobs_.empty(); jobs_.pop_front()) {
    documents += jobs_.front().documents();
    if (!out.empty() && documents > most_documents) break;
    out.push_back(std::move(jobs_.front()));
  }
  return out;
}

void JobQueue::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  changed_.notify_all();
}

size_t JobQueue::size() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

}  // namespace lait
