#include "eval/serve/metrics.h"

#include <fmt/format.h>

namespace lait {
namespace {

std::string head(const std::string& name, const std::string& help, const char* type) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

std::string value(const char* name, const char* help, const char* type, int64_t value) {
  return head(name, help, type) + fmt::format("{} {}\n", name, value);
}

}  // namespace

template <size_t N>
std::string Histogram<N>::text(const std::string& name, const std::string& help) const {
  std::string out = head(name, help, "histogram");
  for (size_t i = 0; i < N; ++i)
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, limits_[i], counts_[i]);
  return out + fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name,
                           count_, sum_);
}

void ServeMetrics::add_request(const std::string& path, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{path, status}];
  seconds_.add(seconds);
}

void ServeMetrics::begin_batch(size_t documents) {
  const std::lock_guard lock(mutex_);
  documents_.add(static_cast<double>(documents));
  is_busy_ = true;
}

void ServeMetrics::end_batch() {
  const std::lock_guard lock(mutex_);
  is_busy_ = false;
}

void ServeMetrics::set_segments(const SegmentValues::Counts& counts, int64_t memory_bytes) {
  const std::lock_guard lock(mutex_);
  segments_ = counts;
  memory_bytes_ = memory_bytes;
}

std::string ServeMetrics::text(size_t queue_length) const {
  const std::lock_guard lock(mutex_);
  std::string out = head("lait_requests_total", "Requests by path and status.", "counter");
  for (const auto& [request, count] : requests_) {
    out += fmt::format("lait_requests_total{{path=\"{}\",status=\"{}\"}} {}\n", request.first,
                       request.second, count);
  }
  out += seconds_.text("lait_request_seconds", "From the whole request to its answer.");
  out += documents_.text("lait_batch_documents", "Documents that were computed together.");
  out += value("lait_segments_found_total", "Segments whose values were in memory or in the store.",
               "counter", segments_.found);
  out += value("lait_segments_computed_total", "Segments whose values were computed.", "counter",
               segments_.computed);
  out +=
      value("lait_memory_bytes", "What values of segments take in memory.", "gauge", memory_bytes_);
  out += value("lait_queue_length", "Requests that wait for the model.", "gauge",
               static_cast<int64_t>(queue_length));
  out += value("lait_model_busy", "1 while the model computes.", "gauge", is_busy_ ? 1 : 0);
  return out;
}

}  // namespace lait
