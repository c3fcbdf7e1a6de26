// The operators' errors for tensors that do not fit each other, before a kernel reads out of
// bounds. This includes the backward operators, which other programs can call by name.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/ops/ops.h"

namespace lait {
namespace {

using at::Tensor;
using testing::HasSubstr;

// The error of an operator called by name.
std::string error_of(const char* op, c10::Stack arguments) {
  try {
    c10::Dispatcher::singleton().findSchemaOrThrow(op, "").callBoxed(&arguments);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

Tensor ints(const std::vector<int32_t>& values) { return at::tensor(values, at::kInt); }

struct AttentionBackward : testing::Test {
  std::string error() const {
    const c10::IValue none;
    return error_of("lait::segment_attention_backward", {dq,
                                                         dk,
                                                         dv,
                                                         dout,
                                                         q,
                                                         k,
                                                         k,
                                                         out,
                                                         lse,
                                                         offsets,
                                                         offsets,
                                                         /*scale=*/0.2,
                                                         /*q_positions=*/none,
                                                         /*causal=*/false,
                                                         /*bias_table=*/none,
                                                         /*bias_max_distance=*/int64_t{128},
                                                         /*bias_bidirectional=*/true,
                                                         /*dropout_p=*/0.0,
                                                         /*seed=*/int64_t{0},
                                                         /*step=*/int64_t{0},
                                                         /*layer=*/int64_t{0},
                                                         /*unit_ids=*/none,
                                                         lexical_bias,
                                                         q_words,
                                                         k_words,
                                                         /*work=*/none,
                                                         /*work_blocks=*/std::vector<int64_t>{}});
  }

  Tensor q = at::ones({5, 2, 32}), k = at::ones({5, 2, 32}), out = at::ones({5, 2, 32}),
         dout = at::ones({5, 2, 32});
  Tensor dq = at::ones({5, 2, 32}), dk = at::ones({5, 2, 32}), dv = at::ones({5, 2, 32});
  Tensor lse = at::ones({2, 5}), offsets = ints({0, 3, 5});
  c10::IValue lexical_bias, q_words, k_words;
};

TEST_F(AttentionBackward, TakesWhatForwardGives) {
  EXPECT_EQ(error(), "");
  out = at::ones({32, 2, 5}).transpose(0, 2);  // copied: its last dimension is not contiguous
  EXPECT_EQ(error(), "");
}

TEST_F(AttentionBackward, RefusesAnotherLexicalBias) {
  const Tensor words = ints({0, 1, 2, 3, 4});
  lexical_bias = at::ones({2});
  EXPECT_THAT(error(), HasSubstr("lexical_bias needs q_words and k_words"));
  q_words = k_words = words;
  EXPECT_EQ(error(), "");
  for (const Tensor& wrong : {at::ones({3}), at::ones({2, 1}), at::ones({2}, at::kDouble)}) {
    lexical_bias = wrong;
    EXPECT_THAT(error(), HasSubstr("lexical_bias must be a contiguous (heads) Float on cpu, got "));
  }
  lexical_bias = at::ones({2});
  k_words = words.slice(0, 0, 4);
  EXPECT_THAT(error(), HasSubstr("k_words must have 5 elements, got 4"));
  k_words = words;
  q_words = words.to(at::kLong);
  EXPECT_THAT(error(), HasSubstr("q_words must be a contiguous int32 vector"));
}

TEST_F(AttentionBackward, RefusesAnotherLse) {
  const std::string expected =
      "segment_attention_backward: lse must be forward's, a contiguous Float [2, 5] on cpu, got ";
  for (const Tensor& wrong :
       {at::ones({5, 2}), at::ones({2, 4}), at::ones({10}), at::ones({5, 2}).t(),
        at::ones({2, 5}, at::kDouble), at::ones({2, 5}, at::kBFloat16)}) {
    lse = wrong;
    EXPECT_THAT(error(), HasSubstr(expected)) << wrong.sizes() << " " << wrong.scalar_type();
  }
  lse = at::ones({2, 5}, at::kMeta);
  EXPECT_THAT(error(), HasSubstr(expected));
}

TEST_F(AttentionBackward, RefusesAnotherOutOrGradient) {
  using Test = AttentionBackward;
  const std::pair<const char*, Tensor Test::*> tensors[] = {{"out must be as q", &Test::out},
                                                            {"dout must be as q", &Test::dout},
                                                            {"dq must be as q", &Test::dq},
                                                            {"dk must be as k", &Test::dk},
                                                            {"dv must be as v", &Test::dv}};
  for (const auto& [rule, tensor] : tensors) {
    const Tensor right = this->*tensor;
    for (const Tensor& wrong :
         {at::ones({4, 2, 32}), at::ones({5, 64}), right.to(at::kBFloat16), right.to(at::kMeta)}) {
      this->*tensor = wrong;
      EXPECT_THAT(error(), HasSubstr("segment_attention_backward: " + std::string(rule) +
                                     ", Float [5, 2, 32] on cpu, got "));
    }
    this->*tensor = right;
  }
  dk = at::ones({32, 2, 5}).transpose(0, 2);
  EXPECT_THAT(
      error(),
      HasSubstr("dq, dk and dv must have a contiguous last dimension, got strides [1, 5, 10]"));
}

TEST(AttentionWork, NamesTheHeadDims) {
  const Tensor offsets = ints({0, 3});
  try {
    ops::attention_work(offsets, offsets, 80);
    FAIL() << "expected an error";
  } catch (const c10::Error& error) {
    EXPECT_STREQ(error.what_without_backtrace(),
                 "attention_work: head_dim must be one of {32, 64, 128}, got 80");
  }
}

TEST(RowOperations, RefuseTensorsThatDoNotFit) {
  const Tensor x = at::ones({6, 8}), ids = ints({0, 1, 2, 3, 4, 5}), offsets = ints({0, 2, 6});
  const int64_t rows = 6, type = static_cast<int64_t>(at::kFloat),
                bf16 = static_cast<int64_t>(at::kBFloat16);
  const auto mean = [&](const Tensor& dout, const Tensor& of, int64_t dtype) {
    return error_of("lait::unit_mean_backward", {dout, of, rows, dtype});
  };
  EXPECT_EQ(mean(at::ones({2, 8}), offsets, type), "");
  EXPECT_EQ(mean(at::ones({2, 8}), offsets, bf16), "");
  EXPECT_THAT(
      mean(at::ones({1, 8}), offsets, type),
      HasSubstr("unit_mean_backward: dout must have 2 rows, one for each unit of offsets, got 1"));
  EXPECT_THAT(
      mean(at::ones({2, 8}, at::kBFloat16), offsets, bf16),
      HasSubstr("unit_mean_backward: dout must be Float for rows of BFloat16, got BFloat16"));
  EXPECT_THAT(mean(at::ones({2, 8}), offsets, static_cast<int64_t>(at::kDouble)),
              HasSubstr("dout must be Double for rows of Double, got Float"));
  EXPECT_THAT(
      mean(at::ones({2, 8}), ints({}), type),
      HasSubstr("unit_mean_backward: offsets must be a vector of at least one element, got [0]"));
  EXPECT_THAT(error_of("lait::unit_mean", {x, offsets.view({3, 1})}),
              HasSubstr("unit_mean: offsets must be a vector"));
  EXPECT_THAT(
      error_of("lait::gather_rows_backward", {x, ints({0, 7}), ints({0, 1, 2, 3, 4, 5, 5})}),
      HasSubstr("gather_rows_backward: inverse must be a vector of at most 6 elements (dout's "
                "rows), got [7]"));
  EXPECT_THAT(error_of("lait::gather_rows_backward", {x, ints({}), ids}),
              HasSubstr("inverse_offsets must be a vector of at least one element"));
  const auto add = [&](const Tensor& residual) {
    return error_of("lait::dropout_add", {x, residual, ids, ids, /*p=*/0.1, int64_t{1}, int64_t{2},
                                          int64_t{3}, int64_t{0}});
  };
  EXPECT_EQ(add(x), "");
  EXPECT_THAT(
      add(at::ones({6, 4})),
      HasSubstr("dropout_add: residual must have x's shape and dtype, got [6, 4] for [6, 8]"));
  EXPECT_THAT(add(at::ones({6, 8}, at::kMeta)),
              HasSubstr("dropout_add: residual must be on cpu, got meta"));
}

}  // namespace
}  // namespace lait
