// The specification against an independent explicit computation, and its gradients against finite
// differences.
#include <gtest/gtest.h>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/expect_close.h"
#include "tests/kernels/explicit_attention.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = 20240917;

TEST(Reference, EqualsExplicitAttention) {
  for (DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBfloat16}) {
    for (const Layout& layout : short_layouts()) {
      for (const Variant& variant : variants()) {
        SCOPED_TRACE(::testing::Message() << name(dtype) << ' ' << layout.name << ' '
                                          << variant.name << " seed " << kSeed);
        const Problem p = make_problem(dtype, 2, 32, layout, variant, kSeed);
        const Result got =
            run(p, reference::segment_attention_forward, reference::segment_attention_backward);
        const Result exact =
            explicit_attention<double>(p, DType::kFloat64, /*delta_from_out=*/false);
        auto close = [&](const char* what, const std::vector<double>& a,
                         const std::vector<double>& b, DType stored) {
          double largest = 1;
          for (double x : b) largest = std::isfinite(x) ? std::max(largest, std::abs(x)) : largest;
          EXPECT_LE(largest_error(what, a, b),
                    stored == DType::kFloat64 ? 1e-12 : ulp(largest, stored))
              << what;
        };
        close("out", got.out, exact.out, dtype);
        close("lse", got.lse, exact.lse, accumulator(dtype));
        close("dq", got.dq, exact.dq, dtype);
        close("dk", got.dk, exact.dk, dtype);
        close("dv", got.dv, exact.dv, dtype);
        close("dbias", got.dbias, exact.dbias, accumulator(dtype));
        close("dlexical", got.dlexical, exact.dlexical, accumulator(dtype));
      }
    }
  }
}

// d(sum out * dout) / dx by central differences, along random directions of each input.
TEST(Reference, GradientsEqualFiniteDifferences) {
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(::testing::Message() << variant.name << " seed " << kSeed);
    Problem p = make_problem(DType::kFloat64, 2, 32, {"few", {5, 0, 1, 11}}, variant, kSeed);
    const Result analytic =
        run(p, reference::segment_attention_forward, reference::segment_attention_backward);
    auto loss = [&] {
      const Result r =
          run(p, reference::segment_attention_forward, reference::segment_attention_backward);
      double sum = 0;
      for (size_t i = 0; i < r.out.size(); ++i) sum += r.out[i] * p.dout[i];
      return sum;
    };
    struct Input {
      const char* name;
      std::vector<double>* values;
      const std::vector<double>* gradient;
    };
    for (const Input& input :
         {Input{"q", &p.q, &analytic.dq}, Input{"k", &p.k, &analytic.dk},
          Input{"v", &p.v, &analytic.dv}, Input{"bias", &p.table, &analytic.dbias},
          Input{"lexical", &p.lexical, &analytic.dlexical}}) {
      for (int direction = 0; direction < 3 && !input.values->empty(); ++direction) {
        std::mt19937_64 random(kSeed + static_cast<uint64_t>(direction));
        const auto along =
            random_values(static_cast<int64_t>(input.values->size()), DType::kFloat64, random);
        const std::vector<double> kept = *input.values;
        constexpr double kStep = 1e-6;
        auto moved = [&](double by) {
          for (size_t i = 0; i < kept.size(); ++i) (*input.values)[i] = kept[i] + by * along[i];
          const double value = loss();
          *input.values = kept;
          return value;
        };
        double expected = 0;
        for (size_t i = 0; i < kept.size(); ++i) expected += (*input.gradient)[i] * along[i];
        EXPECT_NEAR((moved(kStep) - moved(-kStep)) / (2 * kStep), expected,
                    1e-6 * (1 + std::abs(expected)))
            << input.name;
      }
    }
  }
}

}  // namespace
}  // namespace lait::kernels::testing
