// How much work the kernels do, counted by an emulator on fixed layouts: tensor-core FLOPs against
// those of the visible pairs, bytes moved against the tensors' size, bank conflicts. The counts are
// exact, so a change that does more work shows. The emulator writes its counts when a process ends,
// so each case runs in its own process.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/base/temporary_folder.h"
#include "tests/kernels_cuda/counted_layouts.h"
#include "tests/kernels_cuda/device_run.h"

namespace lait::kernels::testing {
namespace {

struct Counts {
  double mma_flops = 0, bytes = 0, bank_conflicts = 0;
};

// Counts of the kernels of a pass. Bytes are those of the sectors that asynchronous copies and
// stores move. Of plain loads (offsets, work list, out in the backward pass) every byte counts
// once: they are cached, and the emulator also counts kernel parameters that are read through a
// register as loads.
Counts count(const std::string& layout, const std::string& pass, int dim) {
  const TemporaryFolder folder;
  const std::string report = folder / "report.json";
  const std::string command = "GPUEMU_REPORT='" + report + "' '" LAIT_RUN_LAYOUT "' " + layout +
                              " " + pass + " " + std::to_string(dim);
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  Counts counts;
  std::ifstream file(report);
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return counts;
  for (const auto& kernel : json["kernels"]) {
    if (kernel["kernel"].get<std::string>().find(pass + "_kernel") == std::string::npos) continue;
    counts.mma_flops += kernel["flops"]["mma"].get<double>();
    const auto& global = kernel["global"];
    auto moved = [&](const char* kind) { return global[kind]["bytes_moved"].get<double>(); };
    counts.bytes +=
        moved("store") + std::max(moved("cp_async"), global["unique_bytes_loaded"].get<double>());
    for (const auto& [kind, shared] : kernel["shared"].items()) {
      counts.bank_conflicts += shared["bank_conflicts"].get<double>();
    }
  }
  return counts;
}

struct Bound {
  const char* layout;
  double forward;   // executed FLOPs / FLOPs of visible pairs
  bool fits_block;  // bytes are bounded too
};

void PrintTo(const Bound& bound, std::ostream* out) { *out << bound.layout; }

class WorkCounts : public NeedsDevice,
                   public ::testing::WithParamInterface<std::tuple<Bound, int>> {
 protected:
  void SetUp() override {
    NeedsDevice::SetUp();
    if (!LAIT_COUNTS_WORK)
      GTEST_SKIP() << "no emulator that counts work: the build has no LAIT_GPUEMU";
  }
};

TEST_P(WorkCounts, WithinBounds) {
  const auto [bound, dim] = GetParam();
  double pairs = 0, tokens = 0;
  for (const int n : counted_lengths(bound.layout)) {
    pairs += static_cast<double>(n) * n;
    tokens += n;
  }
  const double product = 2.0 * 2 * pairs * dim;  // FLOPs of one product, two heads
  const Counts forward = count(bound.layout, "forward", dim),
               backward = count(bound.layout, "backward", dim);
  const double forward_ratio = forward.mma_flops / (2 * product),
               backward_ratio = backward.mma_flops / (5 * product);
  const double row = 2.0 * 2 * dim;  // bytes of a token in one tensor, two heads
  const double forward_bytes = forward.bytes / (tokens * (4 * row + 2 * 4));
  // q, k, v, out, dout, dq, dk, dv and lse.
  const double backward_bytes = backward.bytes / (tokens * (8 * row + 2 * 4));
  std::printf(
      "%-14s D=%d: FLOPs / visible %.3f forward, %.3f backward; bytes / once %.3f, %.3f; bank "
      "conflicts %.0f, %.0f\n",
      bound.layout, dim, forward_ratio, backward_ratio, forward_bytes, backward_bytes,
      forward.bank_conflicts, backward.bank_conflicts);
  ASSERT_GE(forward_ratio, 1);
  EXPECT_LE(forward_ratio, bound.forward);
  EXPECT_LE(backward_ratio, 1.45 * forward_ratio);
  EXPECT_EQ(forward.bank_conflicts, 0);
  EXPECT_EQ(backward.bank_conflicts, 0);
  if (bound.fits_block) {
    EXPECT_LE(forward_bytes, 1.3);
    EXPECT_LE(backward_bytes, 1.3);
  }
}

INSTANTIATE_TEST_SUITE_P(, WorkCounts,
                         ::testing::Combine(::testing::Values(Bound{"mnli_segments", 1.42, true},
                                                              Bound{"mnli_examples", 1.25, true},
                                                              Bound{"boolq_segments", 1.08, false},
                                                              Bound{"uniform_512", 1.01, false}),
                                            ::testing::Values(32, 64)),
                         [](const auto& i) {
                           return std::string(std::get<0>(i.param).layout) + "_dim" +
                                  std::to_string(std::get<1>(i.param));
                         });

}  // namespace
}  // namespace lait::kernels::testing
