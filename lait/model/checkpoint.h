// Models from Hugging Face directories, and back: our checkpoint is such a directory plus
// lait.yaml. (A head that writes texts also needs HeadImpl::use_tokenizer.)
#pragma once
#include <filesystem>

#include "lait/model/model.h"

namespace lait {

// Throws UserError for a tokenizer whose tokens do not fit config.json.
void check_fits(const std::filesystem::path& dir, const Tokenizer& tokenizer,
                const HfConfig& config);

// A pretrained encoder with a head: the checkpoint's if match_head (stored_head.h) takes it over,
// its outputs in the order of the spec's labels; otherwise a new one, initialised from seed.
// Model::head_origin says which. With overrides.init kRandom the directory needs no weights: all
// are drawn from seed, as the family begins.
Model load_pretrained(const std::filesystem::path& dir, const ModelSpec& spec,
                      const ModelConfig& overrides, at::ScalarType compute_dtype, uint64_t seed);
// A checkpoint written by save_checkpoint. Throws UserError if lait.yaml is missing, or its
// files do not belong together: lait.yaml does not fit config.json (stored_head.h), or the weights
// are a much smaller model's (found before memory for the larger one is allocated).
Model load_checkpoint(const std::filesystem::path& dir, at::ScalarType compute_dtype);
// The same weights with a spec that spec_at or ModelSpec::at returned; lait.yaml is not read.
Model load_checkpoint(const std::filesystem::path& dir, const ModelSpec& spec,
                      at::ScalarType compute_dtype);
// Copies the weights of a directory that save_checkpoint wrote into a model of the same shape and
// labels.
void load_weights(const std::filesystem::path& dir, Model& model);
struct SaveOptions {
  // Also modeling_lait.py, with which transformers runs the model, unless it is a stock model,
  // which transformers runs anyway.
  bool hf_code = false;
};
// Writes config.json, model.safetensors, lait.yaml, and the adapters if the model has some
// (lora.h; they must be merged). The caller writes the tokenizer's files
// (Tokenizer::save), and has checked that the weights are finite (training does).
void save_checkpoint(const Model& model, const std::filesystem::path& dir,
                     const SaveOptions& options = {});

// The checkpoint's spec; with `independent_layers`, at that P. Throws UserError if the checkpoint's
// files do not belong together, and as ModelSpec::at does.
ModelSpec spec_at(const std::filesystem::path& checkpoint,
                  std::optional<int64_t> independent_layers = {});

}  // namespace lait
