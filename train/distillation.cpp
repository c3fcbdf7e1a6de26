#include "train/distillation.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

namespace lait {
namespace {

// As many rows as the head makes of each example.
Outputs no_outputs(const Dataset& dataset, const HeadImpl& head) {
  const int64_t width = head.output_weight().size(0);
  if (!dataset.has_windows()) return {at::zeros({dataset.size(), width}, at::kFloat)};
  // Of a window a row for "no answer", and one for each token.
  Outputs out{.values = {}, .offsets = {0}};
  for (int64_t i = 0; i < dataset.size(); ++i)
    out.offsets.push_back(out.offsets.back() + 1 + dataset.window(i).num_tokens);
  out.values = at::zeros({out.offsets.back(), width}, at::kFloat);
  return out;
}

}  // namespace

Distillation::Distillation(const Dataset& dataset, const HeadImpl& head, Outputs outputs,
                           int64_t num_labelled, double weight, uint32_t id)
    : dataset_(dataset),
      head_(head),
      outputs_(std::move(outputs)),
      num_labelled_(num_labelled),
      weight_(weight),
      id_(id) {
  TORCH_CHECK(outputs_.num_examples() == dataset.size(), "Distillation: expected outputs for ",
              dataset.size(), " examples, got ", outputs_.num_examples());
}

Distillation::Distillation(const Dataset& dataset, const HeadImpl& head, int64_t num_labelled,
                           double weight)
    : Distillation(dataset, head, no_outputs(dataset, head), num_labelled, weight, /*id=*/0) {}

double Distillation::label_weight(int64_t example) const {
  return (1 - weight_) * head_.example_weight(dataset_.example(example).label);
}

double Distillation::example_weight(int64_t example) const {
  return example < num_labelled_ ? label_weight(example) + weight_ : 1;
}

void Distillation::sort(std::vector<int64_t>& examples) const {
  std::ranges::stable_partition(examples, [&](int64_t i) { return i < num_labelled_; });
}

Outputs Distillation::outputs_of(const std::vector<int64_t>& examples) const {
  if (outputs_.offsets.empty()) {
    std::vector<int64_t> rows = examples;
    return {
        outputs_.values.index_select(0, at::from_blob(rows.data(), {std::ssize(rows)}, at::kLong))};
  }
  std::vector<at::Tensor> parts;
  for (const int64_t i : examples) {
    const int64_t begin = outputs_.offsets[i];
    parts.push_back(outputs_.values.narrow(0, begin, outputs_.offsets[i + 1] - begin));
  }
  return {at::cat(parts)};
}

void Distillation::add_to(DeviceBatch& batch, const std::vector<int64_t>& examples) const {
  double labels = 0, all = 0;
  std::vector<float> weights;
  int64_t num_labelled = 0;
  for (const int64_t example : examples) {
    const bool is_labelled = example < num_labelled_;
    num_labelled += is_labelled;
    if (is_labelled) labels += label_weight(example);
    all += example_weight(example);
    weights.push_back(static_cast<float>(is_labelled ? weight_ : 1));
  }
  const at::Device device = batch.ints.device();
  batch.soft = {.outputs = copy_to(outputs_of(examples).values, device),
                .weights = copy_to(at::tensor(weights) / all, device),
                .num_labelled = num_labelled,
                .hard_weight = labels / all};
  batch.labels = batch.labels.narrow(0, 0, num_labelled);
}

at::Tensor distilled_loss(const HeadImpl& head, const Outputs& outputs, const DeviceBatch& batch,
                          const TrainingConfig& config) {
  const SoftTargets& soft = *batch.soft;
  const double temperature = config.distill.temperature.value_or(kDefaultTemperature);
  const at::Tensor each =
      head.soft_loss(outputs, batch, {soft.outputs, outputs.offsets}, temperature);
  const at::Tensor sum = (each * soft.weights).sum();
  if (soft.hard_weight == 0) return sum;
  return sum + head.loss(outputs.first(soft.num_labelled), batch, config) * soft.hard_weight;
}

}  // namespace lait
