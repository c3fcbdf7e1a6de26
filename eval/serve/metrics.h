// What a server has done, as Prometheus reads it: text format 0.0.4.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "lait/predict/segment_values.h"

namespace lait {

// Counts of values up to each of N limits, and of all.
template <size_t N>
class Histogram {
 public:
  explicit Histogram(const std::array<double, N>& limits) : limits_(limits) {}
  void add(double value) {
    for (size_t i = 0; i < N; ++i) counts_[i] += value <= limits_[i] ? 1 : 0;
    ++count_;
    sum_ += value;
  }
  std::string text(const std::string& name, const std::string& help) const;

 private:
  std::array<double, N> limits_;
  std::array<int64_t, N> counts_ = {};
  int64_t count_ = 0;
  double sum_ = 0;
};

// All functions may be called by several threads at once.
class ServeMetrics {
 public:
  // `path`: one of few, since each has a line.
  void add_request(const std::string& path, int status, double seconds);
  void begin_batch(size_t documents);
  void end_batch();
  void set_segments(const SegmentValues::Counts& counts, int64_t memory_bytes);

  std::string text(size_t queue_length) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;  // by path and status
  Histogram<12> seconds_{{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}};
  Histogram<8> documents_{{1, 4, 16, 64, 128, 256, 512, 1024}};
  bool is_busy_ = false;
  SegmentValues::Counts segments_;
  int64_t memory_bytes_ = 0;
};

}  // namespace lait
