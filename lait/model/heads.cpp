#include <algorithm>

#include "lait/base/error.h"
#include "lait/config/enum_names.h"
#include "lait/model/head.h"

namespace lait {

// One line for each head; the function is defined in the head's file.
HeadInfo classifier_head();
HeadInfo regression_head();
HeadInfo relevance_head();
HeadInfo span_head();

const std::vector<HeadInfo>& all_heads() {
  static const std::vector<HeadInfo> heads{classifier_head(), regression_head(), relevance_head(),
                                           span_head()};
  return heads;
}

const HeadInfo& find_head(HeadKind kind) {
  std::string known;
  for (const HeadInfo& head : all_heads()) {
    if (head.kind == kind) return head;
    known += (known.empty() ? "" : " or ") + to_string(head.kind);
  }
  throw UserError("model.head: " + to_string(kind) + " needs a decoder; use " + known);
}

void HeadImpl::weigh_classes(const std::vector<double>&) {
  TORCH_CHECK(false, "weigh_classes: the head has no classes");
}

HeadKind head_for(LabelKind labels) {
  const auto found = std::ranges::find(all_heads(), labels, &HeadInfo::labels);
  if (found == all_heads().end())
    throw UserError("model.head: this build has no head for the task's labels");
  return found->kind;
}

}  // namespace lait
