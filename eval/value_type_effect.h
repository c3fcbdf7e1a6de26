// What it does to a model's predictions that values of segments are kept in another type
// (lait/predict/value_type.h): its metrics beside the exact ones, and the largest change of a
// logit.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "eval/evaluation.h"
#include "lait/predict/value_type.h"

namespace lait {

// Runs the examples of `dataset`, whose evaluation `exact` is, with values of that type; nothing is
// stored, since what is stored and what is computed give the same scores. REQUIRES: the model's
// segments are computed apart (has_values).
ValueTypeEffect value_type_effect(Model& model, std::shared_ptr<const Tokenizer> tokenizer,
                                  const ModelSpec& spec, std::span<const Example> examples,
                                  const Dataset& dataset, const Evaluation& exact, ValueType type);

// Whether a model of that spec has values of segments.
bool has_values(const ModelSpec& spec);

// A table with a line for each row and type; "" if no row has any.
std::string value_types_text(std::span<const Evaluation> rows,
                             std::optional<size_t> width = std::nullopt);

}  // namespace lait
