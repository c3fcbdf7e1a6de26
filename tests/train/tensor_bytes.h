// Counts the bytes of tensors that LibTorch's CPU allocator reports. They are the same in every
// run.
#pragma once
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>

namespace lait {

// Bytes of the tensors allocated by this thread while a TensorBytes lives. Includes backward: on
// the CPU it runs in the thread that calls it. Buffers that MKL and oneDNN allocate inside products
// are not tensors.
class TensorBytes {
 public:
  int64_t live() const { return report_->live; }
  int64_t peak() const { return report_->peak; }

 private:
  struct Report : c10::MemoryReportingInfoBase {
    int64_t live = 0, peak = 0;
    // Negative bytes: freed.
    void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
      live += bytes;
      peak = std::max(peak, live);
    }
    bool memoryProfilingEnabled() const override { return true; }
  };
  std::shared_ptr<Report> report_ = std::make_shared<Report>();
  c10::DebugInfoGuard guard_{c10::DebugInfoKind::PROFILER_STATE, report_};
};

}  // namespace lait
