// T5 on CUDA against the CPU, with the same weights: the scores of all labels, loss and gradients
// with dropout, greedy decoding.
//
// On a GPU all of it is the product's. An emulator of the CUDA runtime has no kernels of LibTorch,
// since these carry no PTX. There LibTorch's own operators run on the host, on copies
// (run_on_host), and ours run emulated, with the product's batches, work lists and autograd.
#include <gtest/gtest.h>
#include <torch/library.h>

#include <numeric>

#include "lait/base/error.h"
#include "lait/model/device.h"
#include "lait/model/generate.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_t5.h"

namespace lait {
namespace {

// A dispatch key below autograd and above the devices that nothing in LibTorch uses.
constexpr c10::DispatchKey kHostKey = c10::DispatchKey::Fake;

// Whole storages are copied, since only copies of contiguous bytes need no kernel.
at::Tensor as_bytes(const at::Tensor& t) {
  return at::empty({0}, t.options().dtype(at::kByte))
      .set_(t.storage(), 0, {static_cast<int64_t>(t.storage().nbytes())}, {1});
}
at::Tensor copy_to(const at::Tensor& t, at::Device device) {
  const at::Tensor bytes = as_bytes(t);
  const at::Tensor copy = at::empty(bytes.sizes(), bytes.options().device(device));
  copy.copy_(bytes);
  return at::empty({0}, t.options().device(device))
      .set_(copy.storage(), t.storage_offset(), t.sizes(), t.strides());
}

// The CUDA tensors of a call, and what stands for them on the host.
class HostTensors {
 public:
  at::Tensor of(const at::Tensor& t) {
    if (!t.defined() || !t.is_cuda()) return t;
    return pairs_.emplace_back(t, copy_to(t, at::kCPU)).second;
  }
  // The tensor that `host` stands for; of a new one a copy.
  at::Tensor on_cuda(const at::Tensor& host, at::Device device) const {
    for (const auto& [cuda, mine] : pairs_)
      if (mine.is_same(host)) return cuda;
    return host.defined() ? copy_to(host, device) : host;
  }
  at::Device device() const { return pairs_.at(0).first.device(); }

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> pairs_;
};

// Calls `f` with each tensor of an argument or result, and puts its result in the tensor's place.
template <class F>
c10::IValue with_tensors(const c10::IValue& value, const F& f) {
  if (value.isTensor()) return f(value.toTensor());
  if (value.isTensorList()) {
    std::vector<at::Tensor> out;
    for (const at::Tensor& t : value.toTensorVector()) out.push_back(f(t));
    return out;
  }
  TORCH_CHECK(!value.isOptionalTensorList(), "run_on_host: lists of optional tensors");
  return value;
}

// Whether the operator's CUDA kernel is LibTorch's and does more than make a view.
bool has_torch_kernel(const c10::OperatorHandle& op) {
  if (op.operator_name().name == "aten::copy_") return true;
  const auto& returns = op.schema().returns();
  const auto* alias = returns.empty() ? nullptr : returns[0].alias_info();
  const bool is_view = alias != nullptr && !alias->isWrite();
  return op.operator_name().getNamespace() == "aten" && !is_view &&
         op.hasKernelForDispatchKey(c10::DispatchKey::CUDA);
}

void run_on_host(const c10::OperatorHandle& op, c10::DispatchKeySet keys,
                 torch::jit::Stack* stack) {
  if (!keys.has_backend(c10::BackendComponent::CUDABit) || !has_torch_kernel(op)) {
    op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, kHostKey),
                       stack);
    return;
  }
  const c10::impl::ExcludeDispatchKeyGuard guard(kHostKey);
  const auto& arguments = op.schema().arguments();
  const size_t begin = stack->size() - arguments.size();
  const bool is_copy = op.operator_name().name == "aten::copy_";
  HostTensors tensors;
  std::vector<std::pair<at::Tensor, at::Tensor>> written;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const bool is_written = arguments[i].alias_info() && arguments[i].alias_info()->isWrite();
    c10::IValue& argument = (*stack)[begin + i];
    argument = with_tensors(argument, [&](const at::Tensor& t) {
      // As LibTorch's kernels do.
      TORCH_CHECK(is_copy || !t.defined() || t.is_cuda() || t.dim() == 0, op.operator_name(),
                  ": argument ", arguments[i].name(), " is on ", t.device(), ", others on CUDA");
      const at::Tensor host = tensors.of(t);
      if (is_written) written.emplace_back(t, host);
      return host;
    });
  }
  op.callBoxed(stack);
  for (const auto& [t, host] : written) {
    if (!t.is_cuda()) continue;
    if (t.sizes() != host.sizes()) t.resize_(host.sizes());
    as_bytes(t).copy_(as_bytes(host));
  }
  for (size_t i = begin; i < stack->size(); ++i) {
    (*stack)[i] = with_tensors((*stack)[i], [&](const at::Tensor& host) {
      return tensors.on_cuda(host, tensors.device());
    });
  }
}

TORCH_LIBRARY_IMPL(_, Fake, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

struct Case {
  const char* name;
  bool gated;
  int64_t independent_layers;
  SegmentFormat format;
  at::ScalarType dtype;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

struct Results {
  at::Tensor loss;
  std::vector<at::Tensor> gradients;  // in the order of parameter_list()
};

class T5OnCuda : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    try {
      at::zeros({1}, at::TensorOptions().device(resolve_device(DeviceKind::kCuda)));
    } catch (const UserError& error) {
      GTEST_SKIP() << error.what();
    } catch (const c10::Error&) {
      host_kernels_.emplace(kHostKey);
    }
    model_ = make_model(GetParam().dtype);
    // The last label and a segment are longer than what a team of warps holds.
    std::vector<Example> examples = t5_examples(/*seed=*/8, /*count=*/4);
    examples[0].label = ClassLabel{3};
    examples[1].segments[0] = long_text(150);
    dataset_ = t5_dataset(model_, examples);
    all_.resize(examples.size());
    std::iota(all_.begin(), all_.end(), 0);
  }

  // H * D is not C.
  Model make_model(at::ScalarType dtype) const {
    const Case& c = GetParam();
    nlohmann::json config = t5_config(c.gated);
    if (!c.gated) {
      config["d_kv"] = 32;
      config["num_heads"] = 4;
    }
    ModelSpec spec = t5_spec(split_schedule(c.independent_layers, 4), c.format, HeadKind::kText);
    spec.labels.push_back(long_text(140));
    Model model = fresh_t5(folder_.path(), config, spec, dtype);
    const at::NoGradGuard no_grad;
    for (const ModelParameter& parameter : model->parameter_list()) {
      // A wrong bucket must show.
      if (parameter.name.ends_with("relative_attention_bias.weight")) parameter.tensor.mul_(20);
      // The decoder's texts shall not repeat the token that it reads.
      if (parameter.name == "shared.weight") parameter.tensor.mul_(0.05);
    }
    model->refresh_shadows();
    return model;
  }
  static std::string long_text(int64_t length) {
    std::mt19937 random(9);
    return SmallBert({.vocab = 600}).random_text(random, length);
  }

  DeviceBatch batch(const Model& model, bool labels) const {
    return model->to_batch(*dataset_, all_, model->spec.schedule, {.labels = labels});
  }
  // The dropout masks are the same wherever it runs.
  Results results(Model& model) const {
    const Randomness randomness{.training = true, .seed = 3, .step = 4};
    const DeviceBatch whole = batch(model, /*labels=*/true);
    const at::Tensor loss = model->loss(model->forward(whole, randomness), whole, {});
    loss.backward();
    Results out{.loss = loss.detach().cpu(), .gradients = {}};
    for (const ModelParameter& parameter : model->parameter_list()) {
      TORCH_CHECK(parameter.tensor.grad().defined(), parameter.name, " has no gradient");
      out.gradients.push_back(parameter.tensor.grad().cpu());
      parameter.tensor.mutable_grad().reset();
    }
    return out;
  }
  void move_to_cuda() { model_->move_to(at::Device(at::kCUDA, 0)); }

  // cuBLAS and the CUDA kernels round differently from the CPU.
  void expect_close(const at::Tensor& cuda, const at::Tensor& cpu, const std::string& what) const {
    ASSERT_TRUE(at::isfinite(cuda).all().item<bool>()) << what;
    const double tolerance = GetParam().dtype == at::kFloat ? 1e-4 : 5e-2;
    EXPECT_LE((cuda - cpu).abs().max().item<double>(), tolerance * cpu.abs().max().item<double>())
        << what;
  }

  std::optional<c10::impl::IncludeDispatchKeyGuard> host_kernels_;
  TemporaryFolder folder_;
  Model model_{nullptr};
  std::optional<Dataset> dataset_;
  std::vector<int64_t> all_;
};

TEST_P(T5OnCuda, ScoresOfAllLabelsAreTheCpus) {
  const at::NoGradGuard no_grad;
  const at::Tensor cpu = model_->forward(batch(model_, /*labels=*/false), {}).values;
  move_to_cuda();
  const at::Tensor cuda = model_->forward(batch(model_, /*labels=*/false), {}).values;
  ASSERT_TRUE(cuda.is_cuda());
  expect_close(cuda.cpu(), cpu, "scores");
}

TEST_P(T5OnCuda, LossAndGradientsAreTheCpus) {
  const Results cpu = results(model_);
  move_to_cuda();
  const Results cuda = results(model_);
  expect_close(cuda.loss, cpu.loss, "loss");
  // Gradients in bf16 differ by their rounding, which ReLU magnifies: both from those in float.
  Results exact;
  if (GetParam().dtype != at::kFloat) {
    Model in_float = make_model(at::kFloat);
    exact = results(in_float);
  }
  const std::vector<ModelParameter> parameters = model_->parameter_list();
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (exact.gradients.empty()) {
      expect_close(cuda.gradients[i], cpu.gradients[i], parameters[i].name);
      continue;
    }
    const auto error = [&](const Results& of) {
      return (of.gradients[i] - exact.gradients[i]).norm().item<double>();
    };
    EXPECT_LE(error(cuda), 2 * error(cpu)) << parameters[i].name;
  }
}

TEST_P(T5OnCuda, GreedyTextsAreTheCpus) {
  const GenerateOptions options{.end_token = 1, .max_tokens = 6};
  const auto cpu = generate(model_, batch(model_, /*labels=*/false), options);
  move_to_cuda();
  EXPECT_EQ(generate(model_, batch(model_, /*labels=*/false), options), cpu);
}

constexpr Case kCases[] = {
    {"relu_pair_fp32", false, 0, SegmentFormat::kPair, at::kFloat},
    {"relu_split_fp32", false, 2, SegmentFormat::kStandalone, at::kFloat},
    {"relu_last_layer_joins_bf16", false, 3, SegmentFormat::kStandalone, at::kBFloat16},
    {"gated_pair_bf16", true, 0, SegmentFormat::kPair, at::kBFloat16},
    {"gated_split_fp32", true, 2, SegmentFormat::kStandalone, at::kFloat},
    {"gated_dual_fp32", true, 4, SegmentFormat::kStandalone, at::kFloat}};
INSTANTIATE_TEST_SUITE_P(Models, T5OnCuda, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lait
