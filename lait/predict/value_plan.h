// What of a model's computation depends on single segments, and how it is kept: the parts of a
// store's keys that say what computed a value.
#pragma once
#include "lait/base/content_hash.h"
#include "lait/model/model.h"
#include "lait/predict/segment_value.h"
#include "lait/text/tokenizer.h"

namespace lait {

struct ValuePlan {
  // As inference runs it (for_inference).
  Schedule schedule = {};
  // The steps [0, join) are of single segments.
  size_t join = 0;
  // The encoder's layers from `join` on that project a kept segment's keys and values.
  std::vector<int64_t> joint_layers = {};
  // Of an example's first segment, and of the others.
  ValueFormat first = {}, others = {};
};

// `type`: that values are kept in. Throws UserError for the pair format, whose segments are not
// computed apart.
ValuePlan value_plan(const Model& model, const Schedule& schedule,
                     ValueType type = ValueType::kAuto);

// A hash of everything that values of the format are computed with: weights up to the join (and
// those of the joint layers for keys and values), the family's settings, tokenizer, truncation,
// compute type. Models that agree in these have the same values.
Digest fingerprint(const Model& model, const Tokenizer& tokenizer, const ValuePlan& plan,
                   const ValueFormat& format);

// What computes values here, in JSON. What computes with the same instructions, LibTorch and MKL
// mode gives the same bits. (GPUs are not told apart.)
std::string made_here(const Model& model);

}  // namespace lait
