#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/model/head.h"

namespace lait {

// One line for each head; the function is defined in the head's file.
HeadInfo classifier_head();
HeadInfo regression_head();
HeadInfo relevance_head();
HeadInfo span_head();
HeadInfo text_head();

LabelKind label_kind(const HeadInfo& head, const Task& task) {
  return takes(head, task.label_kind()) ? task.label_kind() : head.labels.front();
}

const std::vector<HeadInfo>& all_heads() {
  static const std::vector<HeadInfo> heads{classifier_head(), regression_head(), relevance_head(),
                                           span_head(), text_head()};
  return heads;
}

const HeadInfo& find_head(HeadKind kind) {
  return *std::ranges::find(all_heads(), kind, &HeadInfo::kind);
}

Outputs concatenated(const std::vector<Outputs>& parts) {
  Outputs out;
  std::vector<at::Tensor> values;
  int64_t rows = 0;
  for (const Outputs& part : parts) {
    values.push_back(part.values);
    if (!part.offsets.empty() && out.offsets.empty()) out.offsets.push_back(0);
    for (size_t i = 1; i < part.offsets.size(); ++i) out.offsets.push_back(rows + part.offsets[i]);
    rows += part.values.size(0);
  }
  out.values = values.empty() ? at::empty({0, 0}, at::kFloat) : at::cat(values);
  return out;
}

void HeadImpl::weigh_classes(const std::vector<double>&) {
  TORCH_CHECK(false, "weigh_classes: the head has no classes");
}

at::Tensor HeadImpl::soft_loss(const Outputs&, const DeviceBatch&, const Outputs&, double) const {
  TORCH_CHECK(false, "soft_loss: the head learns no other's outputs");
}

HeadKind head_for(LabelKind labels, const Family& family) {
  const HeadInfo* found = nullptr;
  for (const HeadInfo& head : all_heads()) {
    if (!takes(head, labels) || (head.needs_decoder && !family.has_decoder())) continue;
    if (found == nullptr || head.needs_decoder) found = &head;
  }
  if (found == nullptr) throw UserError("model.head: this build has no head for the task's labels");
  return found->kind;
}

}  // namespace lait
