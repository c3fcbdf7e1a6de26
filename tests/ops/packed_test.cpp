// q, k, v as slices of one tensor: the result has the bits of three separate tensors, and the
// gradient is written in place, without a copy that joins its parts.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <set>
#include <string>

#include "lait/ops/ops.h"

namespace lait {
namespace {

// For operands (rows, …, heads, head_dim).
ops::AttentionSpec spec_of(const at::Tensor& q, double scale) {
  return {.heads = q.size(-2), .head_dim = q.size(-1), .scale = scale};
}

using at::Tensor;

constexpr int64_t kHeads = 3, kHeadDim = 32;
constexpr double kScale = 0.17;
const kernels::Dropout kDropout{0.25f, 42, 7, 2, kernels::Site::kAttention};

Tensor ints(const std::vector<int32_t>& values) { return at::tensor(values, at::kInt); }
Tensor leaf(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::randn(sizes, dtype).requires_grad_();
}

// The operators that backward of `out` runs; its gradients go to `gradients`.
std::set<std::string> backward_operators(const Tensor& out, const std::vector<Tensor>& inputs,
                                         std::vector<Tensor>& gradients) {
  static std::set<std::string> names;
  names.clear();
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction& f)
                                     -> std::unique_ptr<at::ObserverContext> {
        names.insert(f.name());
        return nullptr;
      }).scopes({at::RecordScope::FUNCTION}));
  const Tensor dout = at::ones_like(out);
  names.clear();
  gradients = torch::autograd::grad({out}, inputs, {dout});
  at::removeCallback(handle);
  return names;
}

class PackedAttention : public testing::TestWithParam<at::ScalarType> {};
INSTANTIATE_TEST_SUITE_P(Dtypes, PackedAttention, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return at::toString(info.param); });

TEST_P(PackedAttention, QkvHasTheBitsOfThreeTensors) {
  const Tensor offsets = ints({0, 1, 18, 18, 60});  // and two rows outside every unit
  const ops::AttentionUnits units{.q_offsets = offsets,
                                  .k_offsets = offsets,
                                  .q_positions = {},
                                  .unit_ids = ints({5, 2, 9, 4})};
  const Tensor qkv = leaf({62, 3, kHeads, kHeadDim}, GetParam());
  std::vector<Tensor> parts, whole, apart;
  for (const Tensor& part : qkv.detach().unbind(1)) parts.push_back(part.clone().requires_grad_());
  const Tensor out = ops::segment_attention_qkvpacked(qkv, units, spec_of(qkv, kScale), kDropout);
  const Tensor expected = ops::segment_attention(parts[0], parts[1], parts[2], units,
                                                 spec_of(parts[0], kScale), kDropout);
  EXPECT_TRUE(out.equal(expected));
  const auto operators = backward_operators(out, {qkv}, whole);
  backward_operators(expected, parts, apart);
  EXPECT_TRUE(whole[0].equal(at::stack(apart, 1)));
  EXPECT_GT(whole[0].abs().max().item<double>(), 0);
  EXPECT_TRUE(operators.contains("lait::segment_attention_backward"));
  for (const char* copy : {"aten::stack", "aten::cat", "aten::copy_", "aten::clone", "aten::add_"})
    EXPECT_FALSE(operators.contains(copy)) << copy;
}

TEST_P(PackedAttention, KvHasTheBitsOfThreeTensors) {
  const ops::AttentionUnits units{.q_offsets = ints({0, 1, 2, 3}),
                                  .k_offsets = ints({0, 11, 30, 95}),
                                  .q_positions = ints({0, 0, 0}),
                                  .unit_ids = ints({5, 2, 9})};
  const Tensor q = leaf({3, kHeads, kHeadDim}, GetParam()),
               kv = leaf({97, 2, kHeads, kHeadDim}, GetParam());
  std::vector<Tensor> parts = {q.detach().requires_grad_()}, whole, apart;
  for (const Tensor& part : kv.detach().unbind(1)) parts.push_back(part.clone().requires_grad_());
  const Tensor out = ops::segment_attention_kvpacked(q, kv, units, spec_of(q, kScale), kDropout);
  const Tensor expected = ops::segment_attention(parts[0], parts[1], parts[2], units,
                                                 spec_of(parts[0], kScale), kDropout);
  EXPECT_TRUE(out.equal(expected));
  const auto operators = backward_operators(out, {q, kv}, whole);
  backward_operators(expected, parts, apart);
  EXPECT_TRUE(whole[0].equal(apart[0]));
  EXPECT_TRUE(whole[1].equal(at::stack({apart[1], apart[2]}, 1)));
  EXPECT_FALSE(operators.contains("aten::stack"));
}

TEST(PackedAttentionErrors, NameTheShape) {
  const ops::AttentionUnits units{
      .q_offsets = ints({0, 4}), .k_offsets = ints({0, 4}), .q_positions = {}, .unit_ids = {}};
  const Tensor q = at::ones({4, kHeads, kHeadDim}), two = at::ones({4, 2, kHeads, kHeadDim});
  auto error = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const c10::Error& e) {
      return e.what_without_backtrace();
    }
    return "";
  };
  EXPECT_EQ(error([&] { ops::segment_attention_kvpacked(q, two, units, spec_of(q, 1), {}); }), "");
  EXPECT_EQ(error([&] { ops::segment_attention_kvpacked(q, q, units, spec_of(q, 1), {}); }),
            "segment_attention_kvpacked: kv must be (rows, 2, heads, head_dim), got [4, 3, 32]");
  EXPECT_EQ(
      error([&] { ops::segment_attention_qkvpacked(two, units, spec_of(two, 1), {}); }),
      "segment_attention_qkvpacked: qkv must be (rows, 3, heads, head_dim), got [4, 2, 3, 32]");
}

}  // namespace
}  // namespace lait
