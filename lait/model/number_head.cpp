#include "lait/model/number_head.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "lait/base/error.h"
#include "lait/config/enum_names.h"

namespace lait {

at::Tensor NumberHeadImpl::labels(std::span<const Label> labels) const {
  const at::Tensor out = at::empty({std::ssize(labels)}, at::kFloat);
  std::ranges::transform(labels, out.mutable_data_ptr<float>(), [&](const Label& label) {
    if (const auto* known = std::get_if<NumberLabel>(&label))
      return static_cast<float>(known->value);
    if (has_label(label))
      throw UserError("a " + to_string(kind_) + " takes numbers as labels, got others");
    return std::nanf("");
  });
  return out;
}

double NumberHeadImpl::label_value(const Label& label) const {
  const auto* known = std::get_if<NumberLabel>(&label);
  if (known != nullptr && std::isfinite(known->value)) return known->value;
  throw UserError("evaluation needs a label, got none");
}

std::vector<Prediction> NumberHeadImpl::predictions(const at::Tensor& scores) {
  const at::Tensor rows = scores.contiguous();
  const double* score = rows.const_data_ptr<double>();
  std::vector<Prediction> out(rows.size(0));
  for (Prediction& prediction : out) prediction.value = prediction.score = *score++;
  return out;
}

}  // namespace lait
