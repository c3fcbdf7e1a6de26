// The head that a checkpoint brings, and what of it a new model may take over. A head is what it
// reads and what its outputs mean, not its shape: kind and pooling must be the same, and outputs
// are matched by the names of their labels.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lait/model/family.h"
#include "lait/model/spec.h"

namespace lait {

struct StoredHead {
  // nullopt: the problem_type of config.json is one that no head here has.
  std::optional<HeadKind> kind = {};
  Pooling pooling = Pooling::kCls;
  // By output; empty for a head without labels, and if the labels have no names.
  std::vector<std::string> labels = {};
  // One output of which config.json does not say more: a regression or a relevance (sentence-
  // transformers' CrossEncoder).
  bool is_any_number = false;
  // The Hugging Face class that config.json names, if it is not the family's sequence classifier:
  // its head may have the same tensors, but reads something else. "": none.
  std::string other_class = {};
};

// Throws UserError if a folder's lait.yaml, the spec, and its config.json contradict each other: as
// ModelSpec::check, and in labels, kind of head, or the settings of modeling_lait.py (hf_code.h).
void check_fits(const std::filesystem::path& dir, const ModelSpec& spec, const HfConfig& config);

// From lait.yaml if the folder has one, else from config.json: transformers' sequence classifiers
// read the first row. Throws UserError as check_fits does.
StoredHead read_stored_head(const std::filesystem::path& dir, const HfConfig& config);

struct HeadMatch {
  // Why a head is not taken over: "its labels have no names"; "" if it is.
  std::string problem = {};
  // The stored output for each of the model's; empty if the order is the same.
  std::vector<int64_t> order = {};
};

// Labels match if they are the same set of names; case may differ if it is not needed to tell two
// of them apart.
HeadMatch match_head(const StoredHead& stored, const ModelSpec& spec);

}  // namespace lait
