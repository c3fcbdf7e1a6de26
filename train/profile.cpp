#include "train/profile.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "lait/base/file_writer.h"
#include "lait/base/files.h"

namespace lait {
namespace {

namespace profiler = torch::autograd::profiler;

std::set<profiler::ActivityType> activities(at::Device device) {
  std::set<profiler::ActivityType> out{profiler::ActivityType::CPU};
  if (device.is_cuda()) out.insert(profiler::ActivityType::CUDA);
  return out;
}

void wait_for(at::Device device) {
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

}  // namespace

StepProfile::StepProfile(std::filesystem::path file, int64_t num_steps, at::Device device)
    : file_(std::move(file)), num_steps_(num_steps), device_(device) {}

StepProfile::~StepProfile() {
  mark_.reset();
  at::enableRecordFunction(true);
  if (is_recording_) profiler::disableProfiler();
}

void StepProfile::begin_step(int64_t step) {
  if (begun_++ < kWarmUpSteps || recorded_ == num_steps_) return;
  if (!is_recording_) {
    wait_for(device_);
    // Without a GPU the profiler reports that as an error.
    ::setenv("KINETO_LOG_LEVEL", "5", /*overwrite=*/0);
    const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO,
                                          /*report_input_shapes=*/true);
    profiler::prepareProfiler(config, activities(device_));
    profiler::enableProfiler(config, activities(device_));
    is_recording_ = true;
  }
  at::enableRecordFunction(true);
  mark_.emplace(at::RecordScope::USER_SCOPE);
  // PyTorch's tools know steps by this name.
  if (mark_->isActive()) mark_->before(fmt::format("ProfilerStep#{}", step));
}

void StepProfile::end_step() {
  if (!mark_) return;
  mark_.reset();
  if (++recorded_ == num_steps_) return write();
  at::enableRecordFunction(false);  // of this thread
}

int64_t StepProfile::finish() {
  if (is_recording_) write();
  return recorded_;
}

void StepProfile::write() {
  wait_for(device_);
  at::enableRecordFunction(true);
  is_recording_ = false;
  const std::unique_ptr<profiler::ProfilerResult> result = profiler::disableProfiler();
  // The profiler does not say whether it could write.
  const std::filesystem::path temporary = file_.string() + kUnfinishedSuffix;
  result->save(temporary.string());
  std::error_code error;
  const auto bytes = std::filesystem::file_size(temporary, error);
  if (error) throw_write_error(file_, "write", error.value());
  const std::string trace = read_file(temporary, bytes + 1);
  std::filesystem::remove(temporary, error);
  if (!nlohmann::json::accept(trace)) throw_write_error(file_, "write", ENOSPC);  // it is cut short
  write_file(file_, trace);
}

}  // namespace lait
