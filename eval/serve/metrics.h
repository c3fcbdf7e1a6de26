// What a server has done, as Prometheus reads it: text format 0.0.4.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lait/predict/segment_values.h"

namespace lait {

// Counts of values up to each of some limits, and of all.
class Histogram {
 public:
  explicit Histogram(std::vector<double> limits)
      : limits_(std::move(limits)), counts_(limits_.size()) {}
  void add(double value);
  // `label`: "", or one of all lines: path="/rerank".
  std::string lines(const std::string& name, const std::string& label) const;

 private:
  std::vector<double> limits_;
  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  double sum_ = 0;
};

// All functions may be called by several threads at once.
class ServeMetrics {
 public:
  // `path`: one of few, since each has lines of its own.
  void add_request(const std::string& path, int status, double seconds);
  void begin_batch(size_t documents, int64_t tokens);
  void end_batch();
  void set_segments(const SegmentValues::Counts& counts, int64_t memory_bytes);

  std::string text(size_t queue_length) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;  // by path and status
  std::map<std::string, Histogram> seconds_;                 // by path
  Histogram documents_{{1, 4, 16, 64, 128, 256, 512, 1024}};
  Histogram tokens_{{64, 256, 1024, 4096, 8192, 16384, 32768, 131072}};
  bool is_busy_ = false;
  SegmentValues::Counts segments_;
  int64_t memory_bytes_ = 0;
};

}  // namespace lait
