// The row-wise kernels of every CPU path against plain loops in double, bit by bit in float where
// the order of summation is fixed.
#include "kernels/row_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/isa_table.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = 31337;
constexpr DType kDTypes[] = {DType::kFloat32, DType::kBfloat16, DType::kFloat64};

// Runs a range in three parts, the last one first.
void thirds(int64_t begin, int64_t end, int64_t, ParallelBody* body, void* context) {
  for (int part = 2; part >= 0; --part) {
    const int64_t from = begin + (end - begin) * part / 3,
                  to = begin + (end - begin) * (part + 1) / 3;
    if (from < to) body(context, from, to);
  }
}

// The error of rounding an exact value once, plus that of a float sum of n terms before it.
double tolerance(double exact, double terms, double largest, DType dtype) {
  const double unit = dtype == DType::kFloat64 ? 0x1p-53 : 0x1p-24,
               last = dtype == DType::kBfloat16 ? 0x1p-8 : unit;
  return std::abs(exact) * last + terms * largest * unit;
}

TEST(DropoutAdd, EqualsPlainLoop) {
  for (const IsaKernels& isa : supported_isas()) {
    for (DType dtype : kDTypes) {
      for (int64_t width : {4, 12, 32, 100, 384}) {
        for (float probability : {0.f, 0.1f, 0.5f}) {
          for (bool with_residual : {true, false}) {
            SCOPED_TRACE(::testing::Message()
                         << isa.name << ' ' << name(dtype) << " width " << width << " p "
                         << probability << " residual " << with_residual << " seed " << kSeed);
            constexpr int64_t kRows = 7;
            std::mt19937_64 random(kSeed);
            Buffer x(dtype, random_values(kRows * width, dtype, random)),
                residual(dtype, random_values(kRows * width, dtype, random));
            // Must not leave a trace where it is dropped.
            x.set(3, std::numeric_limits<double>::infinity());
            Buffer out(dtype, kRows * width);
            const std::vector<int32_t> units = {5, 5, -1, 7, 8, 8, 8},
                                       positions = {0, 1, 0, 65535, 0, 1, 2};
            DropoutAddParams p;
            p.dtype = dtype;
            p.num_rows = kRows;
            p.width = width;
            p.x = x.at(0);
            p.residual = with_residual ? residual.at(0) : nullptr;
            p.out = out.at(0);
            p.unit_ids = probability > 0 ? units.data() : nullptr;
            p.positions = probability > 0 ? positions.data() : nullptr;
            p.dropout = {probability, 0xFEDCBA9876543210ull, 11, 3, Site::kFfnOutput};
            p.parallel = thirds;
            isa.dropout_add(p);
            for (int64_t t = 0; t < kRows; ++t) {
              for (int64_t c = 0; c < width; ++c) {
                const auto words =
                    philox(11, static_cast<uint32_t>(units[t]),
                           static_cast<uint32_t>(positions[t]) << 16 | static_cast<uint32_t>(c / 4),
                           3u << 24 | 3u << 8, 0x76543210u, 0xFEDCBA98u);
                const bool kept =
                    words.word[c % 4] >= static_cast<double>(probability) * 4294967296.0;
                const double factor = 1 / (1 - static_cast<double>(probability)),
                             from = x.get(t * width + c);
                const double expected =
                    (kept ? from * factor : 0) + (with_residual ? residual.get(t * width + c) : 0);
                const double got = out.get(t * width + c);
                if (std::isinf(expected)) {
                  ASSERT_EQ(got, expected);
                } else {
                  ASSERT_NEAR(got, expected,
                              tolerance(expected, 4, kept ? std::abs(from) : 1, dtype))
                      << t << ' ' << c;
                }
              }
            }
            Buffer in_place = x;  // out may be x
            p.x = p.out = in_place.at(0);
            isa.dropout_add(p);
            EXPECT_EQ(in_place.values(), out.values());
          }
        }
      }
    }
  }
}

TEST(DropoutAdd, RefusesWhatItCannotDo) {
  auto text = [](float probability) -> std::string {
    DropoutAddParams p;
    p.num_rows = 1;
    p.width = 4;
    p.dropout.p = probability;
    try {
      cpu::dropout_add(p);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(text(1.5f), "dropout_add: dropout.p must be in [0, 1), got 1.500000");
  EXPECT_EQ(text(0.1f), "dropout_add: dropout needs unit_ids and positions, got null");
}

TEST(GatherAdjoint, SumsInTheOrderGiven) {
  for (const IsaKernels& isa : supported_isas()) {
    for (DType dtype : kDTypes) {
      for (int64_t width : {1, 7, 64, 65, 384}) {
        SCOPED_TRACE(::testing::Message()
                     << isa.name << ' ' << name(dtype) << " width " << width << " seed " << kSeed);
        std::mt19937_64 random(kSeed);
        const std::vector<int32_t> offsets = {0, 0, 3, 4, 4, 9},
                                   inverse = {8, 0, 5, 2, 1, 1, 7, 3, 4};
        Buffer in(dtype, random_values(9 * width, dtype, random)), out(dtype, 5 * width);
        isa.gather_adjoint(
            {dtype, 5, width, in.at(0), out.at(0), offsets.data(), inverse.data(), thirds});
        for (int64_t s = 0; s < 5; ++s) {
          for (int64_t c = 0; c < width; ++c) {
            float sum = 0;
            double wide_sum = 0;
            for (int32_t i = offsets[s]; i < offsets[s + 1]; ++i) {
              sum += static_cast<float>(in.get(inverse[i] * width + c));
              wide_sum += in.get(inverse[i] * width + c);
            }
            ASSERT_EQ(out.get(s * width + c),
                      dtype == DType::kFloat64 ? wide_sum : rounded(sum, dtype))
                << s << ' ' << c;
          }
        }
      }
    }
  }
}

TEST(UnitMean, ForwardAndBackwardWithEmptyUnitsAndDeadRows) {
  for (const IsaKernels& isa : supported_isas()) {
    for (DType dtype : kDTypes) {
      for (int64_t width : {1, 7, 64, 384}) {
        SCOPED_TRACE(::testing::Message()
                     << isa.name << ' ' << name(dtype) << " width " << width << " seed " << kSeed);
        constexpr int64_t kRows = 40, kUnits = 5;
        std::mt19937_64 random(kSeed);
        const std::vector<int32_t> offsets = {2, 2, 5, 6, 6, 37};
        Buffer in(dtype, random_values(kRows * width, dtype, random)),
            mean(accumulator(dtype), kUnits * width);
        isa.unit_mean_forward(
            {dtype, kUnits, kRows, width, in.at(0), mean.at(0), offsets.data(), thirds});
        for (int64_t g = 0; g < kUnits; ++g) {
          const int n = offsets[g + 1] - offsets[g];
          for (int64_t c = 0; c < width; ++c) {
            double sum = 0, largest = 0;
            for (int64_t t = offsets[g]; t < offsets[g + 1]; ++t) {
              sum += in.get(t * width + c);
              largest += std::abs(in.get(t * width + c));
            }
            const double expected = n > 0 ? sum / n : 0;
            ASSERT_NEAR(mean.get(g * width + c), expected,
                        tolerance(expected, n + 2, n > 0 ? largest / n : 0, accumulator(dtype)));
          }
        }
        Buffer dmean(accumulator(dtype), random_values(kUnits * width, accumulator(dtype), random)),
            din(dtype, kRows * width);
        isa.unit_mean_backward(
            {dtype, kUnits, kRows, width, dmean.at(0), din.at(0), offsets.data(), thirds});
        for (int64_t t = 0; t < kRows; ++t) {
          int64_t unit = -1;
          for (int64_t g = 0; g < kUnits; ++g)
            unit = t >= offsets[g] && t < offsets[g + 1] ? g : unit;
          for (int64_t c = 0; c < width; ++c) {
            const double expected =
                unit < 0 ? 0 : dmean.get(unit * width + c) / (offsets[unit + 1] - offsets[unit]);
            ASSERT_NEAR(din.get(t * width + c), expected,
                        tolerance(expected, 2, std::abs(expected), dtype))
                << t << ' ' << c;
          }
        }
      }
    }
  }
}

struct RmsNormResult {
  std::vector<double> out, rstd, dx, dweight;
  bool operator==(const RmsNormResult&) const = default;
};

// Every set gives the same bits in float and bfloat16, whatever the number of threads.
TEST(RmsNorm, ForwardAndBackwardOfEverySetAreThoseOfPlainLoops) {
  for (DType dtype : kDTypes) {
    for (int64_t width : {1, 7, 128, 200, 768}) {
      std::optional<RmsNormResult> first;
      for (const IsaKernels& isa : supported_isas()) {
        SCOPED_TRACE(::testing::Message()
                     << isa.name << ' ' << name(dtype) << " width " << width << " seed " << kSeed);
        constexpr int64_t kRows = 2 * kRmsNormPart + 5;
        constexpr double kEpsilon = 1e-2;
        const DType wide = accumulator(dtype);
        std::mt19937_64 random(kSeed);
        Buffer x(dtype, random_values(kRows * width, dtype, random)),
            weight(wide, random_values(width, wide, random)),
            dout(dtype, random_values(kRows * width, dtype, random)), out(dtype, kRows * width),
            rstd(wide, kRows), dx(dtype, kRows * width), dweight(wide, width),
            parts(wide, 3 * width);
        isa.rms_norm(
            {dtype, kRows, width, kEpsilon, x.at(0), weight.at(0), out.at(0), rstd.at(0), thirds});
        const auto backward = [&](ParallelFor parallel) {
          isa.rms_norm_backward({dtype, kRows, width, dout.at(0), x.at(0), weight.at(0), rstd.at(0),
                                 dx.at(0), dweight.at(0), parts.at(0), parallel});
          return RmsNormResult{out.values(), rstd.values(), dx.values(), dweight.values()};
        };
        const RmsNormResult result = backward(thirds);
        EXPECT_EQ(backward(nullptr), result);
        if (!first) first = result;
        if (dtype != DType::kFloat64) {
          EXPECT_EQ(result, *first);
        }
        const auto columns = static_cast<double>(width);
        std::vector<double> of_weight(width), largest(width);
        for (int64_t t = 0; t < kRows; ++t) {
          double squares = 0, product = 0;
          for (int64_t c = 0; c < width; ++c) {
            const double v = x.get(t * width + c);
            squares += v * v;
            product += weight.get(c) * dout.get(t * width + c) * v;
          }
          const double scale = 1 / std::sqrt(squares / columns + kEpsilon);
          ASSERT_NEAR(rstd.get(t), scale, tolerance(scale, 12, scale, wide));
          for (int64_t c = 0; c < width; ++c) {
            const int64_t i = t * width + c;
            const double v = x.get(i), normed = v * scale * weight.get(c),
                         g = weight.get(c) * dout.get(i),
                         gradient = scale * (g - v * scale * scale * product / columns);
            ASSERT_NEAR(out.get(i), normed, tolerance(normed, 16, std::abs(normed), dtype));
            ASSERT_NEAR(dx.get(i), gradient, tolerance(gradient, 64, 8 * scale, dtype));
            of_weight[c] += dout.get(i) * v * scale;
            largest[c] += std::abs(dout.get(i) * v * scale);
          }
        }
        for (int64_t c = 0; c < width; ++c)
          ASSERT_NEAR(dweight.get(c), of_weight[c], tolerance(0, 20, largest[c], wide)) << c;
      }
    }
  }
}

}  // namespace
}  // namespace lait::kernels::testing
