// The second moment of a matrix is kept as the means of its rows and its columns. A fused parameter
// (q, k and v in one) is as many parameters as Hugging Face's checkpoints have: each has means,
// scale and clipping of its own.
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "train/update_rule.h"

namespace lait {
namespace {

// transformers' defaults.
constexpr double kSquareEpsilon = 1e-30, kSmallestScale = 1e-3, kClipThreshold = 1,
                 kDecayRate = -0.8;
// Of a view with the parts as its first dimension.
constexpr int kRowsOf = -1, kColumnsOf = -2;

// (parts, n) or (parts, rows, columns)
at::Tensor in_parts(const at::Tensor& tensor, const ModelParameter& parameter) {
  // An adapter's matrix has no name there.
  const int64_t parts = std::max<int64_t>(1, std::ssize(parameter.hf_names));
  if (tensor.dim() < 2) return tensor.view({parts, -1});
  return tensor.view({parts, tensor.size(0) / parts, -1});
}

// The root of the mean square of each part, with one element in its other dimensions.
at::Tensor root_mean_square(const at::Tensor& x) {
  const at::Tensor norm =
      at::linalg_vector_norm(x.flatten(1), 2, /*dim=*/1) /
      std::sqrt(static_cast<double>(x.numel()) / static_cast<double>(x.size(0)));
  return x.dim() == 2 ? norm.view({-1, 1}) : norm.view({-1, 1, 1});
}

class Adafactor final : public UpdateRule {
 public:
  const char* name() const override { return "Adafactor"; }

  NamedState state_of(const ModelParameter& parameter) const override {
    const at::Tensor x = in_parts(parameter.tensor.detach(), parameter);
    const auto floats = x.options().dtype(at::kFloat);
    const at::Tensor updates = at::zeros({}, floats);
    if (x.dim() == 2) return {{"exp_avg_sq", at::zeros(x.sizes(), floats)}, {"updates", updates}};
    return {{"exp_avg_sq_row", at::zeros({x.size(0), x.size(1)}, floats)},
            {"exp_avg_sq_col", at::zeros({x.size(0), x.size(2)}, floats)},
            {"updates", updates}};
  }

  void update(std::span<TrainedParameter* const> parameters, double factor,
              const StepScalars& scalars) const override {
    for (TrainedParameter* parameter : parameters) update(*parameter, factor, scalars);
  }

 private:
  static void update(TrainedParameter& parameter, double factor, const StepScalars& scalars) {
    const at::Tensor x = in_parts(parameter.leaf.tensor.detach(), parameter.leaf),
                     gradient = in_parts(parameter.leaf.tensor.grad(), parameter.leaf);
    if (scalars.divisor) gradient.div_(*scalars.divisor);
    // So that 0 times it is 0.
    gradient.nan_to_num_(0, 0, 0);
    const at::Tensor& updates = parameter.state.back().second;
    updates.add_(scalars.changed);
    // A step that changes nothing leaves the averages, which may still be 0 then.
    const at::Tensor changes = scalars.changed > 0, share = updates.clamp_min(1).pow(kDecayRate);
    const auto average = [&](const at::Tensor& kept, const at::Tensor& squares) {
      kept.copy_(at::where(changes, kept.lerp(squares + kSquareEpsilon, share), kept));
    };
    const auto multiply = [&](const at::Tensor& factor) {
      gradient.mul_(at::where(changes, factor, at::zeros_like(factor)));
    };
    if (x.dim() == 2) {
      const at::Tensor& squares = parameter.state[0].second;
      average(squares, gradient.square());
      multiply(squares.rsqrt());
    } else {
      const at::Tensor &rows = parameter.state[0].second, &columns = parameter.state[1].second;
      const auto means = [&](int dim) {
        const auto count = static_cast<double>(gradient.size(dim));
        return at::linalg_vector_norm(gradient, 2, at::IntArrayRef{dim}).square() / count;
      };
      average(rows, means(kRowsOf));
      average(columns, means(kColumnsOf));
      multiply((rows / rows.mean(-1, /*keepdim=*/true)).rsqrt().unsqueeze(kRowsOf));
      multiply(columns.rsqrt().unsqueeze(kColumnsOf));
    }
    // A lexical bias begins at 0, so its size is no measure of a step.
    const bool lexical = parameter.leaf.role.kind == ParameterRole::Kind::kLexicalBias;
    const at::Tensor rate = root_mean_square(x).clamp_min(lexical ? 1 : kSmallestScale) *
                            (parameter.learning_rate * factor) * scalars.changed,
                     clipped = rate / (root_mean_square(gradient) / kClipThreshold).clamp_min(1);
    if (parameter.weight_decay > 0) x.mul_(1 - rate * parameter.weight_decay);
    x.addcmul_(gradient, clipped, -1);
  }
};

}  // namespace

std::unique_ptr<UpdateRule> make_adafactor() { return std::make_unique<Adafactor>(); }

}  // namespace lait
