// Products from blocked weights have the bits of `linear`, whatever the rows and the threads.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "lait/ops/ops.h"

namespace lait {
namespace {

struct Shape {
  int64_t in, out;
};

at::Tensor bf16_normal(at::IntArrayRef sizes, uint64_t seed) {
  return at::randn(sizes, at::detail::createCPUGenerator(seed), at::TensorOptions())
      .to(at::kBFloat16);
}

class BlockedWeightTest : public testing::TestWithParam<Shape> {
 protected:
  at::NoGradGuard no_grad_;
  at::Tensor weight_ = bf16_normal({GetParam().out, GetParam().in}, 1),
             bias_ = bf16_normal({GetParam().out}, 2);
};

TEST_P(BlockedWeightTest, HasTheBitsOfLinear) {
  const at::Tensor blocked = ops::blocked_weight(weight_);
  ASSERT_EQ(blocked.defined(), ops::cpu_has_bf16_gemm());
  if (!blocked.defined()) return;
  const int threads = at::get_num_threads();
  const at::Tensor x = bf16_normal({1040, GetParam().in}, 3);
  for (const int some : {1, 2, 3, 5, 7}) {
    at::set_num_threads(some);
    const at::Tensor all = ops::linear(x, weight_, bias_, weight_, bias_);
    for (const int64_t rows : {16, 32, 48, 112, 512, 1040}) {
      EXPECT_TRUE(at::equal(ops::linear_of_blocked(x.narrow(0, 0, rows), blocked, bias_),
                            all.narrow(0, 0, rows)))
          << rows << " rows, " << some << " threads";
      EXPECT_TRUE(at::equal(ops::linear_of_blocked(x.narrow(0, 1040 - rows, rows), blocked, {}),
                            ops::linear(x, weight_, {}, weight_, {}).narrow(0, 1040 - rows, rows)))
          << "without bias: the last " << rows << " rows, " << some << " threads";
    }
  }
  at::set_num_threads(threads);
}

INSTANTIATE_TEST_SUITE_P(Shapes, BlockedWeightTest,
                         testing::Values(Shape{64, 192}, Shape{384, 1152}, Shape{384, 384},
                                         Shape{384, 1536}, Shape{1536, 384}, Shape{768, 2304},
                                         Shape{3072, 768}, Shape{40, 72}),
                         [](const auto& info) {
                           return std::to_string(info.param.in) + "_to_" +
                                  std::to_string(info.param.out);
                         });

TEST(BlockedWeight, ThereIsNoneOfFloatsOrOfFewOutputs) {
  EXPECT_FALSE(ops::blocked_weight(at::ones({64, 64})).defined());
  EXPECT_FALSE(ops::blocked_weight(at::ones({3, 64}, at::kBFloat16)).defined());
}

TEST(BlockedWeight, ReadsTheNormOfItsInput) {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = bf16_normal({128, 64}, 1), x = bf16_normal({32, 64}, 2);
  const ops::InputNorm norm{at::full({64}, 0.5), 1e-6};
  const at::Tensor blocked = ops::blocked_weight(weight);
  ASSERT_EQ(blocked.defined(), ops::cpu_has_bf16_gemm());
  if (!blocked.defined()) return;
  EXPECT_TRUE(at::equal(ops::linear_of_blocked(x, blocked, {}, norm),
                        ops::linear(x, weight, {}, weight, {}, norm)));
}

}  // namespace
}  // namespace lait
