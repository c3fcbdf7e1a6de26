// A training step does not wait for a GPU. A RecordFunction guard checks, from the batch on the
// device to the end of the step: nothing reads a value back to the host, no result's shape depends
// on values, no tensor is created without a device (it would be on the CPU), and nothing moves
// between devices.
//
// On the CPU a move is a no-op, so the guard refuses what would be one on a GPU: `to` with a
// device, and `copy_` between devices.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <mutex>
#include <set>

#include "lait/model/lora.h"
#include "tests/model/small_bert.h"
#include "train/distillation.h"
#include "train/train_step.h"

namespace lait {
namespace {

// Records the operators in its scope, and those that a step must not use.
class StepGuard {
 public:
  StepGuard() {
    current_ = this;
    handle_ = at::addGlobalCallback(
        at::RecordFunctionCallback(&StepGuard::enter, &StepGuard::leave)
            .needsInputs(true)
            .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  }
  ~StepGuard() {
    at::removeCallback(handle_);
    current_ = nullptr;
  }
  StepGuard(const StepGuard&) = delete;
  StepGuard& operator=(const StepGuard&) = delete;

  std::set<std::string> operators;
  std::set<std::string> offences;

 private:
  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& fn) {
    const std::lock_guard lock(mutex_);
    if (current_ == nullptr) return nullptr;
    if (excused_ == 0) current_->see(fn);
    if (!kExcusesWhatItCalls.contains(fn.name())) return nullptr;
    ++excused_;
    return std::make_unique<Excuse>();
  }

  static void leave(const at::RecordFunction&, at::ObserverContext* context) {
    if (context != nullptr) --excused_;
  }

  struct Excuse : at::ObserverContext {};
  // The CPU kernel of the update reads the number of updates, which is on the host there (the CUDA
  // kernel does not). The gradient of a dtype cast names the device that it is already on.
  static inline const std::set<std::string> kExcusesWhatItCalls = {"aten::_fused_adamw_",
                                                                   "ToCopyBackward0"};
  static inline thread_local int excused_ = 0;

  void see(const at::RecordFunction& fn) {
    const std::string name = fn.name();
    operators.insert(name);
    static const std::set<std::string> kReadsValues = {"aten::item",
                                                       "aten::_local_scalar_dense",
                                                       "aten::is_nonzero",
                                                       "aten::equal",
                                                       "aten::allclose",
                                                       "aten::nonzero",
                                                       "aten::nonzero_static",
                                                       "aten::argwhere",
                                                       "aten::masked_select",
                                                       "aten::_unique",
                                                       "aten::_unique2",
                                                       "aten::unique_dim",
                                                       "aten::bincount",
                                                       "aten::unique_consecutive",
                                                       "aten::unique_dim_consecutive",
                                                       "aten::repeat_interleave"};
    if (kReadsValues.contains(name)) offences.insert(name + " reads values on the host");
    const auto schema = fn.operator_schema();
    if (!schema) return;
    bool takes_tensor = false;
    const c10::IValue* device = nullptr;
    std::set<std::string> devices;
    for (size_t i = 0; i < schema->arguments().size() && i < fn.inputs().size(); ++i) {
      const auto& argument = schema->arguments()[i];
      const c10::IValue& value = fn.inputs()[i];
      if (argument.name() == "device") device = &value;
      if (value.isTensor() && value.toTensor().defined()) {
        takes_tensor = true;
        devices.insert(value.toTensor().device().str());
      }
      if (value.isList() && name == "aten::index") {
        for (const c10::IValue& index : value.toListRef()) {
          if (index.isTensor() && index.toTensor().defined() &&
              index.toTensor().scalar_type() == at::kBool) {
            offences.insert(name + " by a mask reads values on the host");
          }
        }
      }
      if (value.isTensorList()) takes_tensor = true;
    }
    if (devices.size() > 1) offences.insert(name + " between devices");
    if (device == nullptr) return;
    if (!takes_tensor && device->isNone()) offences.insert(name + " without a device");
    if (name == "aten::to" && !device->isNone()) offences.insert(name + " to a device");
  }

  static inline StepGuard* current_ = nullptr;
  static inline std::mutex mutex_;
  at::CallbackHandle handle_;
};

TrainingConfig training_config() {
  TrainingConfig config;
  config.steps = 4;
  config.learning_rate = 1e-3;
  config.head_learning_rate_factor = 10;
  config.label_smoothing = 0.1;
  return config;
}

struct StepCase {
  const char* name;
  int64_t independent_layers;
  SegmentFormat format;
  Pooling pooling;
  HeadKind head;
  at::ScalarType dtype;
  // With adapters, averaged weights, class weights and recomputation.
  bool everything = false;
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  // With a teacher's outputs; the last three examples have no labels.
  bool distilled = false;
};

class NoSyncTest : public testing::TestWithParam<StepCase> {};

TEST_P(NoSyncTest, StepReadsNothingBack) {
  const StepCase& c = GetParam();
  SmallBert small({.dropout = 0.1});
  ModelSpec spec = small.spec(c.independent_layers, c.format, c.pooling);
  spec.head = c.head;
  if (c.head == HeadKind::kRegression) spec.labels.clear();
  Model model = small.model(spec, c.dtype);
  std::vector<Example> examples = small.random_examples(/*seed=*/3, /*num_examples=*/8);
  if (c.head == HeadKind::kRegression) {
    for (Example& example : examples) example.label = NumberLabel{0.5};
  }
  const Dataset dataset = small.dataset(spec, examples);
  TrainingConfig config = training_config();
  config.optimizer = c.optimizer;
  if (c.everything) {
    config.ema = 0.9;
    config.recompute = Switch::kOn;
    add_lora(model, {.rank = 4, .dropout = 0.1, .targets = {"query", "value", "dense"}});
    model->head->weigh_classes({1, 2, 0.5});
  }
  TrainStep train(model, config, 4);
  const Distillation distillation(dataset, *model->head, /*num_labelled=*/5, /*weight=*/0.5);
  std::vector<DeviceBatch> batches;
  for (const std::vector<int64_t>& indices :
       {std::vector<int64_t>{0, 1, 2, 3}, std::vector<int64_t>{4, 5, 6, 7}}) {
    batches.push_back(model->to_batch(dataset, indices, spec.schedule));
    if (c.distilled) distillation.add_to(batches.back(), indices);
  }
  at::Tensor loss;
  {
    StepGuard guard;
    const std::vector<double> shares{0.5, 0.5};
    for (int64_t step = 0; step < 2; ++step) loss = train.run(batches, shares, step);
    EXPECT_THAT(guard.offences, testing::IsEmpty());
    // The guard was active: it saw forward, backward and update.
    EXPECT_THAT(guard.operators, testing::IsSupersetOf(
                                     {"lait::segment_attention", "lait::segment_attention_backward",
                                      c.optimizer == OptimizerKind::kAdamW ? "aten::_fused_adamw_"
                                                                           : "aten::addcmul_"}));
  }
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
}

INSTANTIATE_TEST_SUITE_P(
    Schedules, NoSyncTest,
    testing::Values(StepCase{"stock", 0, SegmentFormat::kPair, Pooling::kCls, HeadKind::kClassifier,
                             at::kFloat},
                    StepCase{"split", 2, SegmentFormat::kStandalone, Pooling::kClsSegments,
                             HeadKind::kClassifier, at::kFloat},
                    StepCase{"split_bf16", 2, SegmentFormat::kStandalone, Pooling::kClsSegments,
                             HeadKind::kClassifier, at::kBFloat16},
                    StepCase{"last_layer_joins", 3, SegmentFormat::kStandalone,
                             Pooling::kClsSegments, HeadKind::kClassifier, at::kFloat},
                    StepCase{"mean_regression", 1, SegmentFormat::kStandalone, Pooling::kMean,
                             HeadKind::kRegression, at::kFloat},
                    StepCase{"everything", 3, SegmentFormat::kStandalone, Pooling::kClsSegments,
                             HeadKind::kClassifier, at::kFloat, true},
                    StepCase{"adafactor", 3, SegmentFormat::kStandalone, Pooling::kClsSegments,
                             HeadKind::kClassifier, at::kBFloat16, true, OptimizerKind::kAdafactor},
                    StepCase{"everything_bf16", 2, SegmentFormat::kStandalone,
                             Pooling::kClsSegments, HeadKind::kClassifier, at::kBFloat16, true},
                    StepCase{"distilled", 2, SegmentFormat::kStandalone, Pooling::kClsSegments,
                             HeadKind::kClassifier, at::kFloat, true, OptimizerKind::kAdamW, true},
                    StepCase{"distilled_regression", 2, SegmentFormat::kStandalone,
                             Pooling::kClsSegments, HeadKind::kRegression, at::kFloat, false,
                             OptimizerKind::kAdamW, true},
                    StepCase{"dual", 4, SegmentFormat::kStandalone, Pooling::kSegments,
                             HeadKind::kRegression, at::kBFloat16}),
    [](const auto& info) { return std::string(info.param.name); });

// The guard sees everything that it forbids.
TEST(StepGuardTest, SeesWhatItForbids) {
  const at::Tensor x = at::ones({4}, at::TensorOptions().device(at::kCPU));
  const auto offences = [](auto&& body) {
    StepGuard guard;
    body();
    return guard.offences;
  };
  using testing::Contains;
  using testing::IsEmpty;
  EXPECT_THAT(offences([&] { x.sum().item<float>(); }),
              Contains("aten::item reads values on the host"));
  EXPECT_THAT(offences([&] { x.nonzero(); }), Contains("aten::nonzero reads values on the host"));
  EXPECT_THAT(offences([&] { x.masked_select(x > 0); }),
              Contains("aten::masked_select reads values on the host"));
  EXPECT_THAT(offences([&] { at::_unique2(x); }),
              Contains("aten::_unique2 reads values on the host"));
  EXPECT_THAT(offences([&] { x.index({x > 0}); }),
              Contains("aten::index by a mask reads values on the host"));
  EXPECT_THAT(offences([&] { at::zeros({4}); }), Contains("aten::zeros without a device"));
  EXPECT_THAT(offences([&] { at::zeros({4}, at::kFloat); }),
              Contains("aten::zeros without a device"));
  EXPECT_THAT(offences([&] { at::arange(4); }), Contains("aten::arange without a device"));
  EXPECT_THAT(offences([&] { at::full({4}, 1.0); }), Contains("aten::full without a device"));
  EXPECT_THAT(offences([&] { at::empty({4}); }), Contains("aten::empty without a device"));
  EXPECT_THAT(offences([&] { x.to(at::Device(at::kMeta)); }), Contains("aten::to to a device"));
  EXPECT_THAT(offences([&] { at::empty({4}, x.options().device(at::kMeta)).copy_(x); }),
              Contains("aten::copy_ between devices"));
  EXPECT_THAT(
      offences([&] { at::zeros({4}, x.options()) + at::zeros_like(x).to(at::kDouble) * 2.0; }),
      IsEmpty());
}

// A step that reads the loss does not pass.
TEST(StepGuardTest, SeesAnItemInAStep) {
  SmallBert small({.dropout = 0.1});
  const ModelSpec spec = small.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  Model model = small.model(spec, at::kFloat);
  const Dataset dataset =
      small.dataset(spec, small.random_examples(/*seed=*/3, /*num_examples=*/4));
  const std::vector<int64_t> indices{0, 1, 2, 3};
  std::vector<DeviceBatch> batches;
  batches.push_back(model->to_batch(dataset, indices, spec.schedule));
  TrainStep train(model, training_config(), 4);
  StepGuard guard;
  (void)train.run(batches, 0).item<double>();
  EXPECT_THAT(guard.offences, testing::Contains("aten::item reads values on the host"));
}

}  // namespace
}  // namespace lait
