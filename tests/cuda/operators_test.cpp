// The operators on CUDA tensors against the CPU, through LibTorch's dispatcher, allocator, streams
// and autograd. They need a GPU or an emulator; otherwise the tests are skipped with a message.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "lait/base/error.h"
#include "lait/data/packing.h"
#include "lait/model/device.h"
#include "lait/model/device_batch.h"
#include "lait/ops/ops.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

// The spec for operands (rows, …, heads, head_dim).
ops::AttentionSpec spec_of(const at::Tensor& q, double scale) {
  return {.heads = q.size(-2), .head_dim = q.size(-1), .scale = scale};
}

using at::Tensor;

class OperatorsOnCuda : public testing::Test {
 protected:
  void SetUp() override {
    try {
      resolve_device(DeviceKind::kCuda);
    } catch (const UserError& error) {
      GTEST_SKIP() << error.what();
    }
  }
};

Tensor random_tensor(at::IntArrayRef sizes, at::ScalarType dtype, int64_t seed) {
  auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
  return at::randn(sizes, generator, at::TensorOptions().device(at::kCPU)).to(dtype);
}
// Allocated on the device and filled by a copy. This needs no kernel of LibTorch, which an emulator
// does not have.
Tensor to_cuda(const Tensor& host) {
  Tensor out = at::empty(host.sizes(), host.options().device(at::kCUDA).requires_grad(false));
  return out.copy_(host);
}
Tensor ints(const std::vector<int32_t>& values) { return at::tensor(values, at::kInt); }

ops::AttentionUnits on_cuda(const ops::AttentionUnits& host, int64_t head_dim) {
  auto moved = [](const std::optional<Tensor>& t) {
    return t ? std::optional(to_cuda(*t)) : std::nullopt;
  };
  const auto work = ops::attention_work(host.q_offsets, host.k_offsets, head_dim);
  return {.q_offsets = to_cuda(host.q_offsets),
          .k_offsets = to_cuda(host.k_offsets),
          .q_positions = moved(host.q_positions),
          .unit_ids = moved(host.unit_ids),
          .q_words = moved(host.q_words),
          .k_words = moved(host.k_words),
          .work = to_cuda(std::get<0>(work)),
          .work_blocks = std::get<1>(work)};
}

struct AttentionCase {
  const char* name;
  std::vector<int32_t> q_offsets, k_offsets;
  enum Form { kSeparate, kKvPacked, kQkvPacked } form;
  float dropout;
  bool lexical = false;
};

// Of five tokens in three segments, and some special ones (kernels/lexical_bias.h).
Tensor some_words(int64_t count, int32_t step) {
  std::vector<int32_t> words;
  for (int32_t i = 0; i < count; ++i)
    words.push_back(i % 7 == 0 ? -1 : i * step % 5 * 4096 + i % 3);
  return ints(words);
}

// The output and the gradients of q, k, v (of the one tensor if they are slices of it), and of the
// lexical bias.
std::vector<Tensor> attention(const AttentionCase& c, at::ScalarType dtype, bool cuda) {
  constexpr int64_t kHeads = 3, kDim = 32;
  // Three dead rows at the end.
  const int64_t queries = c.q_offsets.back() + 3, keys = c.k_offsets.back() + 3;
  ops::AttentionUnits units{ints(c.q_offsets), ints(c.k_offsets), std::nullopt, std::nullopt};
  std::vector<int32_t> ids;
  for (size_t g = 0; g + 1 < c.q_offsets.size(); ++g)
    ids.push_back(static_cast<int32_t>(17 * g + 5));
  units.unit_ids = ints(ids);
  units.q_words = some_words(queries, 1);
  units.k_words = some_words(keys, c.form == AttentionCase::kQkvPacked ? 1 : 3);
  if (cuda) units = on_cuda(units, kDim);
  auto make = [&](at::IntArrayRef sizes, int64_t seed) {
    const Tensor host = random_tensor(sizes, dtype, seed);
    return (cuda ? to_cuda(host) : host).requires_grad_(true);
  };
  const kernels::Dropout dropout{c.dropout, 42, 7, 2, kernels::Site::kAttention};
  std::vector<Tensor> leaves;
  Tensor out;
  ops::AttentionSpec spec{.heads = kHeads, .head_dim = kDim, .scale = 0.17};
  if (c.lexical) {
    const Tensor bias = random_tensor({kHeads}, at::kFloat, 5);
    spec.lexical_bias = (cuda ? to_cuda(bias) : bias).requires_grad_(true);
  }
  if (c.form == AttentionCase::kQkvPacked) {
    leaves = {make({queries, 3, kHeads, kDim}, 1)};
    out = ops::segment_attention_qkvpacked(leaves[0], units, spec, dropout);
  } else if (c.form == AttentionCase::kKvPacked) {
    leaves = {make({queries, kHeads, kDim}, 1), make({keys, 2, kHeads, kDim}, 2)};
    out = ops::segment_attention_kvpacked(leaves[0], leaves[1], units, spec, dropout);
  } else {
    leaves = {make({queries, kHeads, kDim}, 1), make({keys, kHeads, kDim}, 2),
              make({keys, kHeads, kDim}, 3)};
    out = ops::segment_attention(leaves[0], leaves[1], leaves[2], units, spec, dropout);
  }
  if (c.lexical) leaves.push_back(spec.lexical_bias);
  const Tensor dout = random_tensor(out.sizes(), dtype, 4);
  std::vector<Tensor> results{out.detach()};
  for (const Tensor& g : torch::autograd::grad({out}, leaves, {cuda ? to_cuda(dout) : dout}))
    results.push_back(g);
  for (Tensor& t : results) t = t.cpu().to(at::kFloat);
  return results;
}

TEST_F(OperatorsOnCuda, TheGpuHasAName) { EXPECT_FALSE(gpu_name().empty()); }

TEST_F(OperatorsOnCuda, AttentionEqualsTheCpu) {
  const std::vector<AttentionCase> cases = {
      {"self", {0, 1, 20, 20, 33}, {0, 1, 20, 20, 33}, AttentionCase::kQkvPacked, 0.f},
      {"dropout", {0, 17, 40}, {0, 17, 40}, AttentionCase::kQkvPacked, 0.25f},
      {"rows read", {0, 1, 2, 3}, {0, 11, 30, 95}, AttentionCase::kKvPacked, 0.1f},
      {"one long", {0, 170}, {0, 170}, AttentionCase::kSeparate, 0.f},
      {"lexical", {0, 1, 20, 20, 33}, {0, 1, 20, 20, 33}, AttentionCase::kQkvPacked, 0.f, true},
      {"lexical, rows read", {0, 1, 2, 3}, {0, 11, 30, 95}, AttentionCase::kKvPacked, 0.1f, true},
      {"lexical, long", {0, 170}, {0, 170}, AttentionCase::kSeparate, 0.1f, true}};
  for (const AttentionCase& c : cases) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(testing::Message() << c.name << " " << dtype);
      const auto cpu = attention(c, dtype, false), cuda = attention(c, dtype, true);
      ASSERT_EQ(cuda.size(), cpu.size());
      for (size_t i = 0; i < cpu.size(); ++i) {
        const double largest = cpu[i].abs().max().item<double>(),
                     off = (cuda[i] - cpu[i]).abs().max().item<double>();
        EXPECT_LE(off, largest * (dtype == at::kFloat ? 2e-6 : 1.6e-2)) << "result " << i;
        EXPECT_GT(largest, 0);
      }
    }
  }
}

// Keys in runs, of two sources of different strides, equal the rows put together, bit by bit.
TEST_F(OperatorsOnCuda, KeysInRunsChangeNoBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Tensor q = to_cuda(random_tensor({3, 2, 32}, dtype, 1));
    const Tensor claim = random_tensor({12, 2, 2, 32}, dtype, 2),
                 passages = random_tensor({100, 3, 2, 2, 32}, dtype, 3).select(1, 1);
    std::vector<int64_t> runs;
    std::vector<Tensor> gathered;
    for (const auto& [begin, length] : {std::pair{0, 30}, {30, 0}, {31, 60}}) {
      runs.insert(runs.end(), {0, 0, 12, 1, begin * passages.stride(0), length});
      gathered.push_back(claim);
      gathered.push_back(passages.slice(0, begin, begin + length));
    }
    const Tensor kv = to_cuda(at::cat(gathered));
    const ops::AttentionUnits units =
        on_cuda({ints({0, 1, 2, 3}), ints({0, 42, 54, 126}), ints({0, 0, 0}), std::nullopt}, 32);
    // The whole array, of which the source is one layer.
    const Tensor all = to_cuda(random_tensor({100, 3, 2, 2, 32}, dtype, 3));
    const ops::KeyRuns keys{{to_cuda(claim), all.select(1, 1)},
                            to_cuda(at::tensor(runs, at::kLong).view({-1, 3})),
                            to_cuda(ints({0, 2, 4, 6}))};
    const Tensor in_runs = ops::segment_attention_runs(q, keys, units, spec_of(q, 0.2), {}),
                 in_order = ops::segment_attention_kvpacked(q, kv, units, spec_of(q, 0.2), {});
    EXPECT_TRUE(at::equal(in_runs.cpu(), in_order.cpu())) << dtype;
  }
}

TEST_F(OperatorsOnCuda, AttentionSaysWhatIsMissing) {
  const Tensor x = to_cuda(random_tensor({5, 3, 32}, at::kFloat, 1)), offsets = ints({0, 5});
  auto text = [&](const ops::AttentionUnits& units) -> std::string {
    try {
      ops::segment_attention(x, x, x, units, spec_of(x, 1), {});
    } catch (const c10::Error& error) {
      return error.what_without_backtrace();
    }
    return "";
  };
  ops::AttentionUnits units = on_cuda({offsets, offsets, std::nullopt, std::nullopt}, 32);
  EXPECT_EQ(text(units), "");
  ops::AttentionUnits without = units;
  without.work.reset();
  EXPECT_EQ(text(without),
            "segment_attention: CUDA needs the work list: pass work and work_blocks as "
            "lait::attention_work gives them");
  without = units;
  without.work_blocks[0] += 1;
  EXPECT_EQ(text(without), "segment_attention: work must have 16 elements, got 8");
  without = units;
  without.q_offsets = offsets;
  EXPECT_EQ(text(without), "segment_attention: q_offsets must be on cuda:0, got cpu");
}

TEST_F(OperatorsOnCuda, RowOperationsEqualTheCpu) {
  const Tensor unit_ids = ints({3, 3, 3, 9, 9, 1, 1, 1, 1}),
               positions = ints({0, 1, 2, 0, 1, 0, 1, 2, 3});
  const Tensor offsets = ints({0, 3, 3, 5, 8}), inverse_offsets = ints({0, 2, 2, 3, 6, 9}),
               inverse = ints({4, 1, 0, 2, 3, 8, 5, 7, 6});
  const kernels::Dropout dropout{0.3f, 5, 6, 1, kernels::Site::kFfnOutput};
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    std::vector<std::vector<Tensor>> both;
    for (const bool cuda : {false, true}) {
      auto moved = [&](const Tensor& t) { return cuda ? to_cuda(t) : t; };
      auto random = [&](at::IntArrayRef sizes, int64_t seed) {
        return moved(random_tensor(sizes, dtype, seed));
      };
      std::vector<Tensor> results;
      auto add = [&](const Tensor& out, const std::vector<Tensor>& inputs) {
        results.push_back(out.detach());
        const Tensor dout = moved(random_tensor(out.sizes(), out.scalar_type(), 9));
        for (const Tensor& g : torch::autograd::grad({out}, inputs, {dout})) results.push_back(g);
      };
      const Tensor x = random({9, 64}, 1).requires_grad_(true),
                   residual = random({9, 64}, 2).requires_grad_(true);
      add(ops::dropout_add(x, residual, moved(unit_ids), moved(positions), dropout), {x, residual});
      add(ops::unit_mean(x, moved(offsets)), {x});
      // Also rows that the kernels read column by column.
      for (const int64_t width : {200, 63}) {
        const Tensor rows = random({131, width}, 3).requires_grad_(true),
                     weight = moved(random_tensor({width}, at::kFloat, 4)).requires_grad_(true);
        add(ops::rms_norm(rows, weight, 1e-6), {rows, weight});
      }
      // The gather itself is LibTorch's. Its gradient is ours.
      const auto backward = c10::Dispatcher::singleton()
                                .findSchemaOrThrow("lait::gather_rows_backward", "")
                                .typed<Tensor(const Tensor&, const Tensor&, const Tensor&)>();
      results.push_back(backward.call(x.detach(), moved(inverse_offsets), moved(inverse)));
      for (Tensor& t : results) t = t.cpu();
      both.push_back(results);
    }
    ASSERT_EQ(both[0].size(), 12u);
    for (size_t i = 0; i < both[0].size(); ++i)
      EXPECT_TRUE(at::equal(both[0][i], both[1][i])) << dtype << " result " << i;
  }
}

// Also runs without a device: loading the library is enough.
TEST(CudaLibrary, ImplementsEveryOperatorOfTheCpu) {
  try {
    resolve_device(DeviceKind::kCuda);
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("training.device: cuda: no usable GPU ("));
  }
  int found = 0;
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto op = c10::Dispatcher::singleton().findSchema(name);
    if (name.getNamespace() != "lait" || !op || !op->hasKernelForDispatchKey(c10::DispatchKey::CPU))
      continue;
    if (name.name == "lait::attention_work") continue;  // runs on the host, makes the work list
    ++found;
    EXPECT_TRUE(op->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) << name.name;
  }
  EXPECT_EQ(found, 10);
}

// The integers of a batch arrive unchanged, and the work lists are those that attention_work makes
// of its offsets.
TEST_F(OperatorsOnCuda, BatchOnTheDevice) {
  const SmallBert small;
  const ModelSpec spec = small.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  const Dataset dataset =
      small.dataset(spec, small.random_examples(/*seed=*/3, /*num_examples=*/6));
  const Model model = small.model(spec, at::kFloat);
  PackPlan plan = model->pack_plan(spec.schedule);
  plan.cuda_head_dim = 32;
  const PackedBatch packed = pack(dataset, std::vector<int64_t>{0, 1, 2, 3, 4, 5}, plan);
  const at::Tensor labels = model->head->labels(packed.labels);
  const DeviceBatch host = to_device(packed, labels, at::kCPU),
                    device = to_device(packed, labels, at::Device(at::kCUDA, 0));
  EXPECT_TRUE(at::equal(device.ints.cpu(), host.ints));
  EXPECT_TRUE(at::equal(device.labels.cpu(), host.labels));
  const Level& level = packed.levels[0];
  const auto units =
      on_cuda({host.view(level.offsets), host.view(level.offsets), std::nullopt, std::nullopt}, 32);
  EXPECT_TRUE(at::equal(device.view(level.work.tiles).cpu(), units.work->cpu()));
  EXPECT_EQ(level.work.blocks, units.work_blocks);
}

}  // namespace
}  // namespace lait
