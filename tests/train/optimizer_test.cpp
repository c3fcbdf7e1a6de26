// What a checkpoint of the optimizer calls its tensors: runs of earlier versions resume. What a
// step without a finite gradient changes: nothing.
#include "train/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lait/config/enum_names.h"
#include "lait/model/lora.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

Model small_model() {
  const SmallBert bert;
  return bert.model(bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls), at::kFloat);
}

TEST(Optimizer, NamesItsMomentsAsCheckpointsNameParameters) {
  const Model model = small_model();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : Optimizer(model, {}, 1).state()) names.push_back(name);
  EXPECT_THAT(names, testing::IsSupersetOf({
                         "exp_avg.bert.embeddings.word_embeddings.weight",
                         "exp_avg_sq.bert.encoder.layer.3.attention.self.qkv.bias",
                         "updates.bert.encoder.layer.0.attention.output.LayerNorm.weight",
                         "exp_avg.bert.pooler.dense.weight",
                         "exp_avg.classifier.weight",
                     }));
}

class Optimizers : public testing::TestWithParam<OptimizerKind> {};

// As if it had not been: the weights after it are those of a run without it, to the bit. The first
// step may be such a one.
TEST_P(Optimizers, AGradientThatIsNotFiniteChangesNothing) {
  TrainingConfig config;
  config.optimizer = GetParam();
  config.schedule = LearningRateSchedule::kConstant;
  config.warmup = 0;
  const auto weights_after = [&](const std::vector<double>& gradients) {
    const Model model = small_model();
    Optimizer optimizer(model, config, 10);
    for (const double gradient : gradients) {
      bool first = true;
      for (const ModelParameter& parameter : model->parameter_list()) {
        at::Tensor weight = parameter.tensor;
        weight.mutable_grad() = at::full_like(weight.detach(), first ? gradient : 0.25);
        first = false;
      }
      optimizer.step(1);
    }
    std::vector<at::Tensor> all;
    for (const auto& [name, tensor] : optimizer.state()) all.push_back(tensor);
    for (const ModelParameter& parameter : model->parameter_list())
      all.push_back(parameter.tensor.detach());
    return all;
  };
  const auto without = weights_after({0.5, -1});
  for (const double bad : std::vector<double>{NAN, HUGE_VAL, -HUGE_VAL}) {
    for (const auto& gradients : {std::vector{0.5, bad, -1.0}, std::vector{bad, 0.5, -1.0}}) {
      const auto with = weights_after(gradients);
      ASSERT_EQ(with.size(), without.size());
      for (size_t i = 0; i < with.size(); ++i)
        EXPECT_TRUE(at::equal(with[i], without[i])) << bad << ", tensor " << i;
    }
  }
}

// A LoRA matrix has no name in Hugging Face's checkpoints of the model.
TEST_P(Optimizers, TrainAdapters) {
  Model model = small_model();
  add_lora(model, {.rank = 4, .targets = {"query"}});
  TrainingConfig config;
  config.optimizer = GetParam();
  config.warmup = 0;
  Optimizer optimizer(model, config, 10);
  std::vector<at::Tensor> before;
  for (const ModelParameter& parameter : lora_parameters(*model)) {
    at::Tensor weight = parameter.tensor;
    before.push_back(weight.detach().clone());
    weight.mutable_grad() = at::full_like(weight.detach(), 0.25);
    EXPECT_GT(state_bytes(*make_update_rule(config), parameter), 0);
  }
  ASSERT_FALSE(before.empty());
  optimizer.step(1);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_FALSE(at::equal(lora_parameters(*model)[i].tensor, before[i]));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Optimizers,
                         testing::Values(OptimizerKind::kAdamW, OptimizerKind::kAdafactor),
                         [](const auto& info) { return to_string(info.param); });

using Doubles = std::vector<double>;

double root_mean_square(const Doubles& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

// A step of Adafactor in plain loops (arXiv 1804.04235, algorithms 4 and 5 with an external rate).
// `squares`: of a vector by element, of a matrix by row, then by column.
void adafactor_step(Doubles& x, Doubles gradient, Doubles& squares, size_t columns, int step,
                    double rate, double decay) {
  const double kept = 1 - std::pow(step, -0.8);
  const size_t rows = columns == 0 ? 0 : x.size() / columns;
  squares.resize(columns == 0 ? x.size() : rows + columns);
  Doubles now(squares.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double square = gradient[i] * gradient[i] + 1e-30;
    if (columns == 0) {
      now[i] = square;
    } else {
      now[i / columns] += square / static_cast<double>(columns);
      now[rows + i % columns] += square / static_cast<double>(rows);
    }
  }
  for (size_t i = 0; i < now.size(); ++i) squares[i] = kept * squares[i] + (1 - kept) * now[i];
  double mean = 0;
  for (size_t r = 0; r < rows; ++r) mean += squares[r] / static_cast<double>(rows);
  for (size_t i = 0; i < x.size(); ++i) {
    gradient[i] /= std::sqrt(
        columns == 0 ? squares[i] : squares[i / columns] * squares[rows + i % columns] / mean);
  }
  const double clip = std::max(1.0, root_mean_square(gradient)),
               scaled = rate * std::max(1e-3, root_mean_square(x));
  for (size_t i = 0; i < x.size(); ++i) x[i] -= scaled * decay * x[i] + scaled * gradient[i] / clip;
}

// Of every parameter: matrices, tables, norms, biases, and those that are three in one, some large
// and some small, which must not know of each other.
TEST(Adafactor, StepsAreThoseOfPlainLoops) {
  const Model model = small_model();
  TrainingConfig config;
  config.optimizer = OptimizerKind::kAdafactor;
  config.schedule = LearningRateSchedule::kConstant;
  config.learning_rate = 0.02;
  config.warmup = 0;
  config.weight_decay = 0.1;
  config.max_grad_norm = 5;
  Optimizer optimizer(model, config, 10);
  const auto numbers = [](const at::Tensor& x) {
    const at::Tensor flat = x.detach().to(at::kDouble).contiguous();
    return Doubles(flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
  };
  struct Expected {
    size_t columns;
    double decay;
    std::vector<Doubles> parts, squares;
  };
  std::vector<ModelParameter> parameters = model->parameter_list();
  std::vector<Expected> expected;
  double scale = 1e-4;
  for (const ModelParameter& parameter : parameters) {
    at::Tensor x = parameter.tensor.detach();
    fill_normal(x, /*seed=*/expected.size(), scale);
    scale = scale < 1 ? scale * 10 : 1e-4;
    Expected& of = expected.emplace_back();
    of.columns = x.dim() < 2 ? 0 : static_cast<size_t>(x.size(1));
    of.decay = x.dim() < 2 ? 0 : config.weight_decay;
    for (const at::Tensor& part : x.chunk(std::ssize(parameter.hf_names)))
      of.parts.push_back(numbers(part));
    of.squares.resize(of.parts.size());
  }
  for (int step = 1; step <= 10; ++step) {
    double square = 0;
    for (size_t p = 0; p < parameters.size(); ++p) {
      at::Tensor gradient = at::empty_like(parameters[p].tensor.detach());
      fill_normal(gradient, /*seed=*/1000 * step + p, 1.0 / static_cast<double>(1 + p));
      parameters[p].tensor.mutable_grad() = gradient;
      square += gradient.to(at::kDouble).square().sum().item<double>();
    }
    const double divisor = std::max(1.0, std::sqrt(square) / config.max_grad_norm);
    ASSERT_GT(divisor, 1);
    for (size_t p = 0; p < parameters.size(); ++p) {
      Expected& of = expected[p];
      const auto gradients = parameters[p].tensor.grad().chunk(std::ssize(of.parts));
      for (size_t i = 0; i < of.parts.size(); ++i) {
        adafactor_step(of.parts[i], numbers(gradients[i] / divisor), of.squares[i], of.columns,
                       step, config.learning_rate, of.decay);
      }
    }
    optimizer.step(step);
  }
  for (size_t p = 0; p < parameters.size(); ++p) {
    const auto parts = parameters[p].tensor.detach().chunk(std::ssize(expected[p].parts));
    for (size_t i = 0; i < parts.size(); ++i) {
      const Doubles found = numbers(parts[i]), &wanted = expected[p].parts[i];
      const double tolerance = 1e-5 * (root_mean_square(wanted) + 1e-3 * config.learning_rate);
      for (size_t j = 0; j < found.size(); ++j)
        ASSERT_NEAR(found[j], wanted[j], 10 * tolerance) << parameters[p].name << ", part " << i;
    }
  }
}

// A matrix costs its rows and columns, not its elements.
TEST(Adafactor, StateIsSmall) {
  const Model model = small_model();
  TrainingConfig config;
  config.optimizer = OptimizerKind::kAdafactor;
  int64_t elements = 0, expected = 0;
  for (const ModelParameter& parameter : model->parameter_list()) {
    const at::Tensor& x = parameter.tensor;
    expected += x.dim() < 2 ? x.numel() : x.size(0) + std::ssize(parameter.hf_names) * x.size(1);
    expected += 1;
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : Optimizer(model, config, 1).state()) {
    names.push_back(name);
    elements += tensor.numel();
  }
  EXPECT_EQ(elements, expected);
  EXPECT_THAT(names, testing::IsSupersetOf({
                         "exp_avg_sq_row.bert.encoder.layer.3.attention.self.qkv.weight",
                         "exp_avg_sq_col.bert.encoder.layer.3.attention.self.qkv.weight",
                         "exp_avg_sq.bert.encoder.layer.3.attention.self.qkv.bias",
                     }));
}

}  // namespace
}  // namespace lait
