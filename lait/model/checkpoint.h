// Models from Hugging Face directories, and back: a checkpoint of ours is one with lait.yaml beside.
#pragma once
#include <filesystem>

#include "lait/model/model.h"

namespace lait {

// Throws UserError where a checkpoint's files do not belong together: lait.yaml and config.json (ModelSpec::check), or
// weights of a much smaller model (before memory for the larger one is asked for).
void check_fits(const std::filesystem::path& dir, const ModelSpec& spec, const HfConfig& config);
// The same of a tokenizer of other tokens than config.json has.
void check_fits(const std::filesystem::path& dir, const Tokenizer& tokenizer,
                const HfConfig& config);

// A pretrained encoder with a new head, initialised from seed, or with the checkpoint's: where its shape is right and
// its labels are the spec's, in their order, or have no names (config.json's id2label).
Model load_pretrained(const std::filesystem::path& dir, const ModelSpec& spec,
                      const ModelConfig& overrides, at::ScalarType compute_dtype, uint64_t seed);
// A checkpoint written by save_checkpoint. Throws UserError where lait.yaml is missing or does not fit the weights.
Model load_checkpoint(const std::filesystem::path& dir, at::ScalarType compute_dtype);
// The same weights under another spec, as ModelSpec::at makes it.
Model load_checkpoint(const std::filesystem::path& dir, const ModelSpec& spec,
                      at::ScalarType compute_dtype);
// Copies the weights of a directory that save_checkpoint wrote into a model of the same shape.
void load_weights(const std::filesystem::path& dir, Model& model);
// config.json, model.safetensors, lait.yaml; the tokenizer's files are the caller's (Tokenizer::save).
void save_checkpoint(const Model& model, const std::filesystem::path& dir);

// The checkpoint's spec; with `independent_layers`, at that P. Throws UserError where the checkpoint's files do not
// belong together, and as ModelSpec::at does.
ModelSpec spec_at(const std::filesystem::path& checkpoint,
                  std::optional<int64_t> independent_layers = {});

}  // namespace lait
