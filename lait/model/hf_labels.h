// The labels of config.json: which output of a head means what. id2label and label2id are read
// strictly, because a wrong name for an output changes every prediction without an error.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lait/config/config.h"

namespace lait {

class ConfigFields;

// id2label's names by index; without it num_labels' "LABEL_0", …, as transformers names them; empty
// if there are neither. Problems go to `fields`: keys that are not 0 to N - 1, a name that is no
// text or occurs twice, label2id or num_labels that contradict it. (The label2id {"LABEL_0": 0, …},
// transformers' default, contradicts no other names.)
std::vector<std::string> read_hf_labels(ConfigFields& fields, const nlohmann::ordered_json& json);

// Whether they are the "LABEL_0", … that transformers gives a model whose labels have no names.
bool are_unnamed(const std::vector<std::string>& labels);

// What transformers takes the head for: the first that has this problem_type and number of labels
// (several: a classifier), or without problem_type by that number (one: a regression). nullopt: a
// problem that no head here has.
std::optional<HeadKind> hf_head_kind(const nlohmann::ordered_json& json, size_t num_labels);

// id2label, label2id and problem_type; a head without labels has one, "LABEL_0". A head that finds
// spans has none of them.
void write_hf_labels(nlohmann::ordered_json& json, HeadKind head,
                     const std::vector<std::string>& labels);

}  // namespace lait
