#include "eval/serve/metrics.h"

#include <fmt/format.h>

namespace lait {
namespace {

const std::vector<double> kSeconds{.001, .0025, .005, .01, .025, .05, .1, .25,
                                   .5,   1,     2.5,  5,   10,   30,  60};

std::string head(const std::string& name, const std::string& help, const char* type) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

std::string value(const char* name, const char* help, int64_t value) {
  return head(name, help, "gauge") + fmt::format("{} {}\n", name, value);
}

}  // namespace

void Histogram::add(double value) {
  for (size_t i = 0; i < limits_.size(); ++i) counts_[i] += value <= limits_[i] ? 1 : 0;
  ++count_;
  sum_ += value;
}

std::string Histogram::lines(const std::string& name, const std::string& label) const {
  const std::string before = label.empty() ? "" : label + ",";
  std::string out;
  for (size_t i = 0; i < limits_.size(); ++i)
    out += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, before, limits_[i], counts_[i]);
  out += fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n", name, before, count_);
  const std::string braces = label.empty() ? "" : "{" + label + "}";
  return out + fmt::format("{0}_sum{1} {2}\n{0}_count{1} {3}\n", name, braces, sum_, count_);
}

void ServeMetrics::add_request(const std::string& path, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{path, status}];
  seconds_.try_emplace(path, kSeconds).first->second.add(seconds);
}

void ServeMetrics::begin_batch(size_t documents, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  documents_.add(static_cast<double>(documents));
  tokens_.add(static_cast<double>(tokens));
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
  out += head("lait_request_seconds", "From the whole request to its answer.", "histogram");
  for (const auto& [path, seconds] : seconds_)
    out += seconds.lines("lait_request_seconds", fmt::format("path=\"{}\"", path));
  out += head("lait_batch_documents", "Documents that were computed together.", "histogram") +
         documents_.lines("lait_batch_documents", "");
  out += head("lait_batch_tokens", "About the tokens of their texts.", "histogram") +
         tokens_.lines("lait_batch_tokens", "");
  out +=
      head("lait_segments_total", "Distinct segments by where their values came from.", "counter");
  const std::pair<const char*, int64_t> sources[] = {
      {"memory", segments_.found_in_memory},
      {"store", segments_.found - segments_.found_in_memory},
      {"computed", segments_.computed}};
  for (const auto& [source, count] : sources)
    out += fmt::format("lait_segments_total{{source=\"{}\"}} {}\n", source, count);
  out += value("lait_memory_bytes", "What values of segments take in memory.", memory_bytes_);
  out += value("lait_queue_length", "Requests that wait for the model.",
               static_cast<int64_t>(queue_length));
  out += value("lait_model_busy", "1 while the model computes.", is_busy_ ? 1 : 0);
  return out;
}

}  // namespace lait
