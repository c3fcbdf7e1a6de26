// The row operations on CUDA give the same bits as on the CPU.
#include <cstring>
#include <random>

#include "kernels/bf16.h"
#include "kernels/row_ops.h"
#include "tests/kernels/attention_case.h"
#include "tests/kernels_cuda/device_run.h"

namespace lait::kernels::testing {
namespace {

constexpr DType kDTypes[] = {DType::kFloat32, DType::kBfloat16};
constexpr int64_t kWidths[] = {1, 4, 7, 64, 100, 384};

// Random values in a dtype, as bytes.
std::vector<char> random_bytes(int64_t size, DType dtype, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<char> bytes(static_cast<size_t>(size) * (dtype == DType::kFloat32 ? 4 : 2));
  for (int64_t i = 0; i < size; ++i) {
    const float x = normal(random);
    if (dtype == DType::kFloat32) {
      std::memcpy(bytes.data() + 4 * i, &x, 4);
    } else {
      const Bf16 rounded = from_float<Bf16>(x);
      std::memcpy(bytes.data() + 2 * i, &rounded, 2);
    }
  }
  return bytes;
}

// A vector on the device, `shift` bytes after a multiple of 256.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(const std::vector<T>& host, size_t shift = 0)
      : host_(host), shift_(shift), bytes_(host.size() * sizeof(T) + shift) {
    check(cudaMemcpy(data(), host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  T* data() const { return reinterpret_cast<T*>(static_cast<char*>(bytes_.data()) + shift_); }
  std::vector<T> fetch() const {
    std::vector<T> out(host_.size());
    check(cudaDeviceSynchronize());
    check(cudaMemcpy(out.data(), data(), out.size() * sizeof(T), cudaMemcpyDeviceToHost));
    return out;
  }

 private:
  std::vector<T> host_;
  size_t shift_;
  DeviceBytes bytes_;
};

using RowOpsOnCuda = NeedsDevice;

TEST_F(RowOpsOnCuda, DropoutAddEqualsTheCpu) {
  constexpr int64_t kRows = 19;
  std::vector<int32_t> units, positions;
  for (int32_t t = 0; t < kRows; ++t) {
    units.push_back(t * 7919 - 4);
    positions.push_back(t % 5);
  }
  const OnDevice device_units(units), device_positions(positions);
  for (DType dtype : kDTypes) {
    for (int64_t width : {4, 64, 100, 384}) {
      for (float probability : {0.f, 0.1f, 0.5f}) {
        for (bool with_residual : {true, false}) {
          for (size_t shift : {0, 4}) {  // 4: not aligned to 16 bytes
            SCOPED_TRACE(::testing::Message() << static_cast<int>(dtype) << " width " << width
                                              << " p " << probability << " shift " << shift);
            const auto x = random_bytes(kRows * width, dtype, 1),
                       residual = random_bytes(kRows * width, dtype, 2);
            std::vector<char> expected(x.size());
            DropoutAddParams p;
            p.dtype = dtype;
            p.num_rows = kRows;
            p.width = width;
            p.x = x.data();
            p.residual = with_residual ? residual.data() : nullptr;
            p.out = expected.data();
            p.unit_ids = probability > 0 ? units.data() : nullptr;
            p.positions = probability > 0 ? positions.data() : nullptr;
            p.dropout = {probability, 0xFEDCBA9876543210ull, 11, 3, Site::kFfnOutput};
            cpu::dropout_add(p);
            const OnDevice device_x(x, shift), device_residual(residual);
            const OnDevice out(std::vector<char>(x.size(), char{-1}));
            p.x = device_x.data();
            if (with_residual) p.residual = device_residual.data();
            p.out = out.data();
            if (probability > 0)
              p.unit_ids = device_units.data(), p.positions = device_positions.data();
            cuda::dropout_add(p);
            EXPECT_EQ(out.fetch(), expected);
            p.out = device_x.data();  // out may be x
            cuda::dropout_add(p);
            EXPECT_EQ(device_x.fetch(), expected);
          }
        }
      }
    }
  }
}

TEST_F(RowOpsOnCuda, GatherAdjointEqualsTheCpu) {
  const std::vector<int32_t> offsets = {0, 0, 3, 4, 4, 9}, inverse = {8, 0, 5, 2, 1, 1, 7, 3, 4};
  const OnDevice device_offsets(offsets), device_inverse(inverse);
  for (DType dtype : kDTypes) {
    for (int64_t width : kWidths) {
      const auto in = random_bytes(9 * width, dtype, 3);
      std::vector<char> expected(in.size() / 9 * 5);
      GatherAdjointParams p{.dtype = dtype,
                            .num_out_rows = 5,
                            .width = width,
                            .in = in.data(),
                            .out = expected.data(),
                            .inverse_offsets = offsets.data(),
                            .inverse = inverse.data()};
      cpu::gather_adjoint(p);
      const OnDevice device_in(in), out(std::vector<char>(expected.size(), char{-1}));
      p.in = device_in.data();
      p.out = out.data();
      p.inverse_offsets = device_offsets.data();
      p.inverse = device_inverse.data();
      cuda::gather_adjoint(p);
      EXPECT_EQ(out.fetch(), expected) << static_cast<int>(dtype) << " width " << width;
    }
  }
}

TEST_F(RowOpsOnCuda, UnitMeanEqualsTheCpu) {
  constexpr int64_t kRows = 40, kUnits = 6;
  // Empty units, dead rows before and after them.
  const std::vector<int32_t> offsets = {2, 2, 5, 6, 6, 37, 37};
  const OnDevice device_offsets(offsets);
  for (DType dtype : kDTypes) {
    for (int64_t width : kWidths) {
      SCOPED_TRACE(::testing::Message() << static_cast<int>(dtype) << " width " << width);
      const auto in = random_bytes(kRows * width, dtype, 4);
      std::vector<char> mean(static_cast<size_t>(kUnits * width) * 4);
      UnitMeanParams p{.dtype = dtype,
                       .num_units = kUnits,
                       .num_rows = kRows,
                       .width = width,
                       .in = in.data(),
                       .out = mean.data(),
                       .offsets = offsets.data()};
      cpu::unit_mean_forward(p);
      const OnDevice device_in(in), device_mean(std::vector<char>(mean.size(), char{-1}));
      p.in = device_in.data();
      p.out = device_mean.data();
      p.offsets = device_offsets.data();
      cuda::unit_mean_forward(p);
      EXPECT_EQ(device_mean.fetch(), mean);

      const auto dmean = random_bytes(kUnits * width, DType::kFloat32, 5);
      std::vector<char> din(in.size());
      p.in = dmean.data();
      p.out = din.data();
      p.offsets = offsets.data();
      cpu::unit_mean_backward(p);
      const OnDevice device_dmean(dmean), device_din(std::vector<char>(din.size(), char{-1}));
      p.in = device_dmean.data();
      p.out = device_din.data();
      p.offsets = device_offsets.data();
      cuda::unit_mean_backward(p);
      EXPECT_EQ(device_din.fetch(), din);
    }
  }
}

TEST_F(RowOpsOnCuda, RefusesWhatItCannotDo) {
  auto text = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  DropoutAddParams dropout{.dtype = DType::kFloat64, .num_rows = 1, .width = 4};
  EXPECT_EQ(text([&] { cuda::dropout_add(dropout); }),
            "dropout_add: on CUDA takes float and bfloat16, got double");
  dropout.dropout.p = 1.5f;
  EXPECT_EQ(text([&] { cuda::dropout_add(dropout); }),
            "dropout_add: dropout.p must be in [0, 1), got 1.500000");
  EXPECT_EQ(
      text([] { cuda::unit_mean_forward({.dtype = DType::kFloat64, .num_units = 1, .width = 4}); }),
      "unit_mean: on CUDA takes float and bfloat16, got double");
}

}  // namespace
}  // namespace lait::kernels::testing
