// The operators run on LibTorch's threads: at::parallel_for is header code, which silently runs
// serially if it was compiled without OpenMP.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <ctime>
#include <functional>

#include "lait/ops/ops.h"

namespace lait {
namespace {

constexpr int64_t kUnits = 64, kRows = 64, kHeads = 12, kHeadDim = 32;

double seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The share of the processor time of `run` spent by threads other than the calling one.
double others_share(const std::function<void()>& run) {
  const double process = seconds(CLOCK_PROCESS_CPUTIME_ID),
               thread = seconds(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < 20; ++i) run();
  const double all = seconds(CLOCK_PROCESS_CPUTIME_ID) - process;
  return 1 - (seconds(CLOCK_THREAD_CPUTIME_ID) - thread) / all;
}

TEST(OperatorThreads, ShareTheWork) {
  const int before = at::get_num_threads();
  at::set_num_threads(4);
  const at::Tensor offsets = at::arange(0, (kUnits + 1) * kRows, kRows, at::kInt);
  const at::Tensor x = at::ones({kUnits * kRows, kHeads, kHeadDim}), rows = x.flatten(1);
  EXPECT_GT(others_share([&] {
              ops::segment_attention(
                  x, x, x,
                  {.q_offsets = offsets, .k_offsets = offsets, .q_positions = {}, .unit_ids = {}},
                  {.heads = kHeads, .head_dim = kHeadDim, .scale = 1}, {});
            }),
            0.5);
  EXPECT_GT(others_share([&] { ops::unit_mean(rows, offsets); }), 0.5);
  at::set_num_threads(before);
}

}  // namespace
}  // namespace lait
