// config.json of a Hugging Face BERT: the fields that the model needs, checked; the rest is kept
// and written back.
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lait {

struct HfConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;          // C
  int64_t num_hidden_layers = 0;    // L
  int64_t num_attention_heads = 0;  // H
  int64_t intermediate_size = 0;    // I
  int64_t max_position_embeddings = 0;
  int64_t type_vocab_size = 0;
  int64_t pad_token_id = 0;
  double layer_norm_eps = 1e-12;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  std::optional<double> classifier_dropout;  // null: hidden_dropout_prob
  double initializer_range = 0.02;
  nlohmann::ordered_json raw;  // all of config.json

  double num_parameters() const;  // of the matrices of the encoder
  // id2label's names by index; empty where there are none, or they are the "LABEL_0", … of a model without names.
  std::vector<std::string> label_names() const;
};

// Throws UserError naming the file and, all at once, the fields: missing, of a wrong type or out of
// range; a model that is not BERT's encoder; an activation other than exact GELU; a head dimension
// without kernels.
HfConfig read_hf_config(const std::filesystem::path& model_dir);

// config.json for AutoModelForSequenceClassification with fp32 weights: the original's other keys,
// id2label of `labels` (one label "LABEL_0" for a regression).
void write_hf_config(const std::filesystem::path& dir, const HfConfig& config,
                     const std::vector<std::string>& labels, bool regression);

}  // namespace lait
