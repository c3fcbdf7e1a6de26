#include "train/load_model.h"

#include <ATen/Context.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/model/checkpoint.h"
#include "lait/model/lora.h"
#include "train/teacher.h"

namespace lait {

std::vector<double> class_weights(const RunInputs& in) {
  const std::optional<ClassWeights>& wanted = in.config.training.class_weights;
  if (!wanted) return {};
  const std::vector<std::string>& labels = in.spec.labels;
  std::vector<double> weights(labels.size(), 1);
  if (wanted->balanced) {
    const Dataset& train = *in.train.dataset;
    std::vector<double> counts(labels.size());
    double examples = 0;
    for (int64_t i = 0; i < train.size(); ++i) {
      const Label label = train.example(i).label;
      examples += has_label(label) ? 1 : 0;
      if (const auto* known = std::get_if<ClassLabel>(&label)) ++counts[known->index];
      if (const auto* soft = std::get_if<SoftLabel>(&label)) {
        for (size_t c = 0; c < counts.size(); ++c) counts[c] += soft->probabilities[c];
      }
    }
    const double share = examples / static_cast<double>(labels.size());
    for (size_t c = 0; c < counts.size(); ++c) {
      weights[c] = share / counts[c];
      if (counts[c] > 0) continue;
      throw UserError(fmt::format(
          "training.class_weights: balanced: expected examples of each class, got none of '{}' in "
          "data.train; give weights by label",
          labels[c]));
    }
  }
  for (const auto& [label, weight] : wanted->by_label) {
    const auto found = std::ranges::find(labels, label);
    if (found == labels.end()) {
      throw UserError(fmt::format("training.class_weights: expected labels of {{{}}}, got '{}'",
                                  fmt::join(labels, ", "), label));
    }
    weights[found - labels.begin()] = weight;
  }
  return weights;
}

Model load_model(const RunInputs& in, at::ScalarType compute_dtype) {
  const TrainingConfig& training = in.config.training;
  at::globalContext().setAllowTF32CuBLAS(training.tf32 == Switch::kOn);
  const bool from_teacher = training.distill.init == StudentInit::kTeacher;
  if (from_teacher) check_teacher_weights(in);
  const std::filesystem::path& dir = from_teacher ? in.distilled->dir : in.model_dir;
  Model model = load_pretrained(dir, in.spec, in.config.model, compute_dtype, training.seed);
  model->head->use_tokenizer(*in.tokenizer);
  model->freeze(in.frozen);
  if (training.lora.rank) {
    add_lora(model, {.rank = *training.lora.rank,
                     .alpha = training.lora.alpha,
                     .dropout = training.lora.dropout,
                     .targets = training.lora.targets,
                     .seed = training.seed,
                     .base = from_teacher ? dir.string() : in.config.model.path});
  }
  if (const auto weights = class_weights(in); !weights.empty()) model->head->weigh_classes(weights);
  return model;
}

}  // namespace lait
