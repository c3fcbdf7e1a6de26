// The classifier: predicts one of the labels; softmax and cross entropy, with hard or soft labels.
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/model/pooling_head.h"

namespace lait {
namespace {

class ClassifierImpl final : public PoolingHeadImpl {
 public:
  ClassifierImpl(const HfConfig& config, const HeadOptions& options)
      : PoolingHeadImpl(HeadKind::kClassifier, config, options, std::ssize(options.labels)),
        labels_(options.labels) {}

  void weigh_classes(const std::vector<double>& weights) override {
    TORCH_CHECK(weights.size() == labels_.size() && host_weights_.empty(),
                "weigh_classes: expected ", labels_.size(), " weights, once");
    host_weights_ = weights;
    // A buffer moves to the model's device, and checkpoints do not have it.
    weights_ = register_buffer("class_weights", at::tensor(weights, at::kFloat));
    weights_.set_data(weights_.to(output_weight().device()));
    cpu_weights_ = at::tensor(weights, at::kFloat);
  }

  double example_weight(const Label& label) const override {
    if (host_weights_.empty()) return 1;
    if (const auto* known = std::get_if<ClassLabel>(&label)) return host_weights_[known->index];
    double weight = 0;
    if (const auto* soft = std::get_if<SoftLabel>(&label)) {
      for (size_t c = 0; c < host_weights_.size(); ++c)
        weight += soft->probabilities[c] * host_weights_[c];
    }
    return weight;
  }

  // Class indices (B) int64, -1: none. If the batch has soft labels: probabilities (B, K) float,
  // all 0: none.
  at::Tensor labels(std::span<const Label> labels) const override {
    const int64_t batch = std::ssize(labels), classes = std::ssize(labels_);
    const bool soft = std::ranges::any_of(
        labels, [](const Label& label) { return std::holds_alternative<SoftLabel>(label); });
    if (!soft) {
      const at::Tensor out = at::empty({batch}, at::kLong);
      std::ranges::transform(labels, out.mutable_data_ptr<int64_t>(), [](const Label& label) {
        if (const auto* known = std::get_if<ClassLabel>(&label)) return known->index;
        if (has_label(label)) throw UserError("a classifier takes classes as labels, got others");
        return int64_t{-1};
      });
      return out;
    }
    const at::Tensor out = at::empty({batch, classes}, at::kFloat);
    float* row = out.mutable_data_ptr<float>();
    for (const Label& label : labels) {
      std::fill_n(row, classes, 0.f);
      const auto* known = std::get_if<ClassLabel>(&label);
      const auto* probabilities = std::get_if<SoftLabel>(&label);
      if (known != nullptr) {
        row[known->index] = 1;
      } else if (probabilities != nullptr && std::ssize(probabilities->probabilities) == classes) {
        std::ranges::copy(probabilities->probabilities, row);
      } else if (has_label(label)) {
        throw UserError("a classifier takes classes, or a probability for each of its " +
                        std::to_string(classes) + " classes, as labels, got others");
      }
      row += classes;
    }
    return out;
  }

  // Equals at::cross_entropy_loss, whose label smoothing searches for an ignored label with masks.
  at::Tensor loss(const Outputs& outputs, const DeviceBatch& batch,
                  const TrainingConfig& config) const override {
    const at::Tensor log_probabilities = at::log_softmax(outputs.values, 1);
    const double smoothing = config.label_smoothing;
    if (weights_.defined()) return weighted_loss(log_probabilities, batch.labels, smoothing);
    const at::Tensor loss = batch.labels.dim() == 1 ? at::nll_loss(log_probabilities, batch.labels)
                                                    : -(log_probabilities * batch.labels).sum() /
                                                          static_cast<double>(batch.num_examples());
    return smoothing == 0 ? loss : loss * (1 - smoothing) - log_probabilities.mean() * smoothing;
  }

  // The Kullback-Leibler divergence from the teacher's probabilities.
  at::Tensor soft_loss(const Outputs& outputs, const DeviceBatch&, const Outputs& teacher,
                       double temperature) const override {
    const at::Tensor log_student = at::log_softmax(outputs.values / temperature, 1),
                     log_teacher = at::log_softmax(teacher.values / temperature, 1);
    return (log_teacher.exp() * (log_teacher - log_student)).sum(1) * (temperature * temperature);
  }

  std::vector<Prediction> predict(const Outputs& outputs) const override {
    const at::Tensor logits = outputs.values.to(at::kCPU, at::kFloat).contiguous();
    const at::Tensor probabilities = at::softmax(logits.to(at::kDouble), 1).contiguous();
    const int64_t classes = std::ssize(labels_);
    const float* logit = logits.const_data_ptr<float>();
    const double* row = probabilities.const_data_ptr<double>();
    std::vector<Prediction> out(logits.size(0));
    for (Prediction& prediction : out) {
      // The first of the largest logits.
      const int64_t best = std::max_element(logit, logit + classes) - logit;
      prediction = {labels_[best], row[best], {row, row + classes}, static_cast<double>(best)};
      logit += classes;
      row += classes;
    }
    return out;
  }

  double label_value(const Label& label) const override {
    const auto* known = std::get_if<ClassLabel>(&label);
    if (known != nullptr && known->index >= 0 && known->index < std::ssize(labels_))
      return static_cast<double>(known->index);
    throw UserError("evaluation needs a label among the model's " + std::to_string(labels_.size()) +
                    ", got none");
  }

 private:
  // As at::cross_entropy_loss with weights of the classes. (With soft labels that one divides by
  // the number of examples; here it is their weights' sum too, so that a label of one class counts
  // the same in both forms.)
  at::Tensor weighted_loss(const at::Tensor& log_probabilities, const at::Tensor& labels,
                           double smoothing) const {
    // Those of an evaluation are on the host, wherever the model is.
    const at::Tensor& by_class = log_probabilities.is_cpu() ? cpu_weights_ : weights_;
    at::Tensor sum, weights;
    if (labels.dim() == 1) {
      sum = at::nll_loss(log_probabilities, labels, by_class, at::Reduction::Sum);
      weights = by_class.index_select(0, labels).sum();
    } else {
      const at::Tensor weighted = labels * by_class;
      sum = -(log_probabilities * weighted).sum();
      weights = weighted.sum();
    }
    if (smoothing > 0) {
      const at::Tensor all = -(log_probabilities * by_class).sum();
      sum = sum * (1 - smoothing) + all * (smoothing / static_cast<double>(std::ssize(labels_)));
    }
    return sum / weights;
  }

  std::vector<std::string> labels_;
  // Of the classes, if they differ.
  std::vector<double> host_weights_;
  at::Tensor weights_, cpu_weights_;
};

}  // namespace

HeadInfo classifier_head() {
  return {
      .kind = HeadKind::kClassifier,
      .labels = {LabelKind::kClass},
      .has_class_loss = true,
      .reads = pooling_reads,
      .problem_type = "single_label_classification",
      .make = [](const HfConfig& config, const HeadOptions& options) -> std::shared_ptr<HeadImpl> {
        return std::make_shared<ClassifierImpl>(config, options);
      }};
}

}  // namespace lait
