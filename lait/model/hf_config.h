// config.json of a Hugging Face directory: the fields that models need, checked by the family that
// it names. The rest is kept and written back.
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lait/config/config.h"

namespace lait {

class Family;

struct HfConfig {
  // The family of "model_type", or of "base_model_type" of a checkpoint that transformers cannot
  // run (hf_code.h); not null once the config was read.
  const Family* family = nullptr;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;          // C
  int64_t num_hidden_layers = 0;    // L
  int64_t num_attention_heads = 0;  // H
  int64_t head_dim = 0;             // D; H * D need not be C
  int64_t intermediate_size = 0;    // I
  // Rows of the position table, and the longest sequence that has positions in it.
  int64_t max_position_embeddings = 0;
  int64_t max_tokens = 0;
  int64_t type_vocab_size = 0;
  int64_t pad_token_id = 0;
  // The longest sequence unless the config gives one; 0: max_tokens.
  int64_t default_max_tokens = 0;
  double layer_norm_eps = 1e-12;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  // nullopt: hidden_dropout_prob.
  std::optional<double> classifier_dropout;
  double initializer_range = 0.02;
  // Of families with a decoder, or with a table of bucketed distances.
  int64_t num_decoder_layers = 0;
  int64_t decoder_start_token_id = 0;
  int64_t position_buckets = 0, position_distance = 0;
  bool gated_feed_forward = false;
  // The output layer's weight is the embeddings'.
  bool tied_embeddings = true;
  // id2label's names by index (hf_labels.h); empty if there are none.
  std::vector<std::string> labels;
  nlohmann::ordered_json raw;  // all of config.json
};

// Throws UserError naming the file and all problems at once: fields that are missing, of a wrong
// type or out of range; a family that is not in the list (model_type, or base_model_type beside
// "lait"); labels that are not clear (hf_labels.h); a value that the family's code does not
// support; a head dimension without kernels.
HfConfig read_hf_config(const std::filesystem::path& model_dir);

// config.json for fp32 weights: the original's other keys, the family's, `architecture`, what
// hf_labels.h writes of the head, and `added`. An empty architecture says that no class of
// transformers computes the model: model_type is "lait" (hf_code.h).
void write_hf_config(const std::filesystem::path& dir, const HfConfig& config,
                     const std::string& architecture, HeadKind head,
                     const std::vector<std::string>& labels,
                     const nlohmann::ordered_json& added = nlohmann::ordered_json::object());

// The fields that BERT and similar families share, with their limits.
class ConfigFields;
void read_common_fields(ConfigFields& fields, HfConfig& config);

}  // namespace lait
