// The tolerance rule: error to the reference at most twice the error of a plain computation in the
// same dtype, plus one ulp of the largest output. Infinities must be equal, and everything else
// must be finite.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {

inline double ulp(double x, DType dtype) {
  const int bits = dtype == DType::kFloat64 ? 52 : dtype == DType::kFloat32 ? 23 : 7;
  return x == 0 ? 0 : std::ldexp(1.0, std::ilogb(x) - bits);
}

// Error over finite references, by `add(error so far, error of one)`; fails where infinities differ
// or a value is not finite.
template <class Add>
double error_of(const char* what, const std::vector<double>& got, const std::vector<double>& exact,
                const Add& add) {
  EXPECT_EQ(got.size(), exact.size()) << what;
  double error = 0;
  for (size_t i = 0; i < std::min(got.size(), exact.size()); ++i) {
    if (got[i] == exact[i]) continue;
    if (!std::isfinite(got[i]) || !std::isfinite(exact[i])) {
      ADD_FAILURE() << what << '[' << i << "] is " << got[i] << ", expected " << exact[i];
      return 0;
    }
    error = add(error, std::abs(got[i] - exact[i]));
  }
  return error;
}
inline double largest_error(const char* what, const std::vector<double>& got,
                            const std::vector<double>& exact) {
  return error_of(what, got, exact, [](double a, double b) { return std::max(a, b); });
}
// For few numbers, each a sum of many terms that nearly cancel, the largest error is a matter of
// chance: in fp32 another order of summation may give one three times as large or as small. The
// root mean square error is stable.
inline double mean_error(const char* what, const std::vector<double>& got,
                         const std::vector<double>& exact) {
  return exact.empty()
             ? 0
             : std::sqrt(error_of(what, got, exact, [](double a, double b) { return a + b * b; }) /
                         static_cast<double>(exact.size()));
}

// `largest`: the number whose ulp counts, where the sums behind the outputs have larger terms than
// the outputs; `more`: an additional error.
inline void expect_close(const char* what, const std::vector<double>& got,
                         const std::vector<double>& exact, const std::vector<double>& peer,
                         DType dtype, double largest = 0, double more = 0,
                         decltype(largest_error)* error = largest_error) {
  for (double x : exact) {
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  const double allowed = 2 * error(what, peer, exact) + ulp(largest, dtype) + more;
  EXPECT_LE(error(what, got, exact), allowed) << what << ", largest " << largest;
}

// `delta_from_out`: the implementation takes delta, the sum of p dp, as out . dout with out rounded
// to the dtype. This shifts all ds = p (dp - delta) of a query by the error of that sum: half an
// ulp of out in bf16, the order of summation in fp32.
inline void expect_close(const Problem& p, const Result& got, const Result& exact,
                         const Result& peer, bool delta_from_out = false) {
  const DType dtype = p.dtype;
  // A bias gradient is a sum of p (dp - delta) that nearly cancels. dp is of the size of dout's
  // norm, as v is of size 1.
  double largest_dp = 0;
  for (size_t i = 0; i < p.dout.size(); i += static_cast<size_t>(p.dim)) {
    double square = 0;
    for (size_t d = 0; d < static_cast<size_t>(p.dim); ++d) square += p.dout[i + d] * p.dout[i + d];
    largest_dp = std::max(largest_dp, std::sqrt(square));
  }
  auto largest = [](const std::vector<double>& x) {
    double most = 0;
    for (double value : x) most = std::max(most, std::abs(value));
    return most;
  };
  const double ds_error = !delta_from_out             ? 0
                          : dtype == DType::kBfloat16 ? std::ldexp(largest_dp, -8)
                                                      : std::ldexp(largest_dp, -21);
  const double scale = static_cast<double>(p.scale);
  expect_close("out", got.out, exact.out, peer.out, dtype);
  expect_close("lse", got.lse, exact.lse, peer.lse, accumulator(dtype));
  expect_close("dq", got.dq, exact.dq, peer.dq, dtype, 0, ds_error * scale * largest(p.k));
  expect_close("dk", got.dk, exact.dk, peer.dk, dtype, 0, ds_error * scale * largest(p.q));
  expect_close("dv", got.dv, exact.dv, peer.dv, dtype);
  // A bucket, or a head's lexical bias, sums the errors of all queries, which are of either sign.
  const double queries = std::sqrt(static_cast<double>(p.q_rows));
  auto sums_close = [&](const char* what, const std::vector<double>& got_sums,
                        const std::vector<double>& exact_sums, const std::vector<double>& peer_sums,
                        double more) {
    expect_close(what, got_sums, exact_sums, peer_sums, accumulator(dtype), largest_dp, more,
                 mean_error);
    EXPECT_LE(largest_error(what, got_sums, exact_sums),
              4 * largest_error(what, peer_sums, exact_sums) +
                  ulp(std::max(largest_dp, largest(exact_sums)), accumulator(dtype)) + more)
        << "a single one";
  };
  sums_close("dbias", got.dbias, exact.dbias, peer.dbias, ds_error * std::max(1.0, queries / 8));
  // One number for a head, so the peer's error is a matter of chance: an ulp of dp for each query.
  sums_close("dlexical", got.dlexical, exact.dlexical, peer.dlexical,
             std::max(ds_error, ulp(largest_dp, accumulator(dtype))) * std::max(1.0, queries / 4));
}

}  // namespace lait::kernels::testing
