// Rows as 8-bit integers and back, of every CPU path: the same bits, and the bound on the error.
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <random>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/isa_table.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = 4711;
constexpr DType kStored[] = {DType::kFloat32, DType::kBfloat16};

struct Quantized {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::vector<double> back;
};

// Runs a range in two parts, the last one first.
void halves(int64_t begin, int64_t end, int64_t, ParallelBody* body, void* context) {
  const int64_t middle = begin + (end - begin) / 2;
  if (middle < end) body(context, middle, end);
  if (begin < middle) body(context, begin, middle);
}

Quantized round_trip(const IsaKernels& isa, const std::vector<double>& values, DType dtype,
                     int64_t group, ParallelFor parallel = nullptr) {
  Buffer x(dtype, values);
  const int64_t groups = x.size() / group;
  Quantized out{std::vector<int8_t>(x.size(), 99), std::vector<float>(groups, -1), {}};
  isa.quantize({dtype, groups, group, x.at(0), out.values.data(), out.scales.data(), parallel});
  Buffer back(dtype, x.size());
  isa.dequantize(
      {dtype, groups, group, out.values.data(), out.scales.data(), back.at(0), parallel});
  out.back = back.values();
  return out;
}

TEST(Quantize, EverySetGivesTheSameBitsWithinHalfAStep) {
  for (DType dtype : kStored) {
    for (int64_t group : {1, 3, 8, 16, 31, 32, 64, 100, 384}) {
      constexpr int64_t kGroups = 11;
      std::mt19937_64 random(kSeed);
      std::vector<double> values = random_values(kGroups * group, dtype, random);
      // Groups of very different sizes.
      for (int64_t i = 0; i < kGroups * group; ++i)
        values[i] =
            rounded(values[i] * std::pow(10., static_cast<double>(i / group) * 6 - 30), dtype);
      std::optional<Quantized> first;
      for (const IsaKernels& isa : supported_isas()) {
        SCOPED_TRACE(::testing::Message() << isa.name << ' ' << name(dtype) << " group " << group);
        const Quantized got = round_trip(isa, values, dtype, group);
        if (!first) first = got;
        EXPECT_EQ(got.values, first->values);
        EXPECT_EQ(got.scales, first->scales);
        EXPECT_EQ(got.back, first->back);
        EXPECT_EQ(round_trip(isa, values, dtype, group, halves).back, got.back);
        for (int64_t i = 0; i < kGroups * group; ++i) {
          const double scale = got.scales[i / group], exact = got.values[i] * scale;
          // Of the division by the scale, and of the product's rounding.
          const double unit = std::abs(values[i]) * 0x1p-22;
          ASSERT_LE(std::abs(values[i] - exact), scale / 2 + unit) << i;
          ASSERT_EQ(got.back[i], rounded(exact, dtype)) << i;
          ASSERT_LE(std::abs(got.values[i]), 127);
        }
      }
    }
  }
}

TEST(Quantize, TheLargestOfAGroupHasTheLargestInteger) {
  for (const IsaKernels& isa : supported_isas()) {
    const Quantized got = round_trip(isa, {127, -63, 0, -0.4, -254, 1, 3, 127}, DType::kFloat32, 4);
    EXPECT_EQ(got.scales, (std::vector<float>{1, 2})) << isa.name;
    // 0.5 and 1.5 go to the even integer.
    EXPECT_EQ(got.values, (std::vector<int8_t>{127, -63, 0, 0, -127, 0, 2, 64})) << isa.name;
  }
}

TEST(Quantize, ZerosAndTheSmallestComeBackAsZeros) {
  const double tiny = kLeastQuantized;
  for (DType dtype : kStored) {
    for (const IsaKernels& isa : supported_isas()) {
      const Quantized got = round_trip(
          isa, {0, -0., 0, 0, tiny / 2, -tiny / 4, 1e-45, 0, tiny, -tiny, 0, tiny}, dtype, 4);
      EXPECT_EQ(got.scales, (std::vector<float>{0, 0, 0x1p-126f})) << isa.name;
      for (int i = 0; i < 8; ++i) EXPECT_EQ(got.back[i], 0) << isa.name << ' ' << i;
      EXPECT_EQ(got.back[9], -tiny) << isa.name;
    }
  }
}

// Each of the largest floats, whose scale may be rounded up.
TEST(Quantize, TheLargestStayFinite) {
  for (DType dtype : kStored) {
    for (const IsaKernels& isa : supported_isas()) {
      float largest = dtype == DType::kBfloat16 ? 0x1.FEp127f : std::numeric_limits<float>::max();
      for (int i = 0; i < 300; ++i) {
        const double x = rounded(largest, dtype);
        const Quantized got = round_trip(isa, {x, -x, 0}, dtype, 3);
        ASSERT_TRUE(std::isfinite(got.back[0]) && std::isfinite(got.back[1])) << isa.name << x;
        ASSERT_NEAR(got.back[0] / x, 1, 0x1p-7) << isa.name << ' ' << x;
        largest = std::nextafter(largest, 0.f);
      }
    }
  }
}

TEST(Quantize, WhatIsNotFiniteStaysVisible) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  for (DType dtype : kStored) {
    for (int64_t group : {3, 32, 40}) {
      for (double bad : {infinity, -infinity, nan}) {
        for (int64_t at : {int64_t{0}, group - 1}) {
          for (const IsaKernels& isa : supported_isas()) {
            std::vector<double> values(2 * group, 1.);
            values[at] = bad;
            const Quantized got = round_trip(isa, values, dtype, group);
            for (int64_t i = 0; i < group; ++i) {
              ASSERT_TRUE(std::isnan(got.back[i])) << isa.name << ' ' << bad << ' ' << i;
              ASSERT_EQ(got.back[group + i], 1) << "the other group" << isa.name;
            }
          }
        }
      }
    }
  }
}

TEST(Quantize, RefusesWhatItCannotDo) {
  auto text = [](const QuantizeParams& params) -> std::string {
    try {
      cpu::quantize(params);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(text({.dtype = DType::kFloat64, .group = 4}),
            "quantize: dtype must be float or bfloat16, got double");
  EXPECT_EQ(text({}), "quantize: a group must have at least 1 column, got 0");
  cpu::dequantize({.group = 4});  // none
}

}  // namespace
}  // namespace lait::kernels::testing
