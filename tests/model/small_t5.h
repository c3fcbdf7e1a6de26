// T5 models with random weights, and texts of token ids, for tests without SentencePiece. Only
// tests see this.
#pragma once
#include <nlohmann/json.hpp>

#include "lait/base/files.h"
#include "lait/model/checkpoint.h"
#include "tests/model/small_bert.h"

namespace lait {

// Texts are numbers separated by blanks; 1 ends a sequence.
class T5IdTokenizer final : public IdTokenizer {
 public:
  using IdTokenizer::IdTokenizer;
  SpecialTokens special_tokens() const override { return {.sep = 1, .pad = 0, .unk = 2}; }
};

inline std::string id_text(const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) {
    if (!text.empty()) text += ' ';
    text += std::to_string(id);
  }
  return text;
}

// config.json of a small T5: H * D is not C.
inline nlohmann::json t5_config(bool gated) {
  return {{"model_type", "t5"},
          {"vocab_size", 600},
          {"d_model", 96},
          {"d_kv", 64},
          {"d_ff", 160},
          {"num_layers", 4},
          {"num_decoder_layers", 2},
          {"num_heads", 3},
          {"dropout_rate", 0.1},
          {"feed_forward_proj", gated ? "gated-gelu" : "relu"},
          {"tie_word_embeddings", !gated}};
}

inline ModelSpec t5_spec(const Schedule& schedule, SegmentFormat format, HeadKind head) {
  ModelSpec spec;
  spec.schedule = schedule;
  spec.task = "jsonl";
  spec.format = format;
  spec.head = head;
  spec.pooling = Pooling::kSegments;
  spec.max_segment_tokens = 512;
  spec.labels = {"17 18 19", "40", "41 300"};
  return spec;
}

// With fresh weights of that seed.
inline Model fresh_t5(const std::filesystem::path& folder, const nlohmann::json& config,
                      const ModelSpec& spec, at::ScalarType dtype, uint64_t seed = 3) {
  std::filesystem::create_directories(folder);
  write_file(folder / "config.json", config.dump());
  ModelConfig overrides;
  overrides.init = ModelInit::kRandom;
  Model model = load_pretrained(folder, spec, overrides, dtype, seed);
  model->head->use_tokenizer(T5IdTokenizer(600));
  return model;
}

// Pairs of up to 40 tokens each; some segments occur in several examples.
inline std::vector<Example> t5_examples(uint32_t seed, int64_t count) {
  const SmallBert texts({.vocab = 600});
  std::mt19937 random(seed);
  std::vector<std::string> pool;
  for (int64_t i = 0; i < count; ++i)
    pool.push_back(texts.random_text(random, 1 + static_cast<int64_t>(random() % 40)));
  std::vector<Example> out;
  for (int64_t i = 0; i < count; ++i) {
    Example& example = out.emplace_back();
    example.segments = {pool[random() % pool.size()], pool[random() % pool.size()]};
    example.label = ClassLabel{static_cast<int64_t>(random() % 3)};
  }
  return out;
}

inline Dataset t5_dataset(const Model& model, const std::vector<Example>& examples) {
  const T5IdTokenizer tokenizer(static_cast<int32_t>(model->config.vocab_size));
  return Dataset(examples, tokenizer, model->spec.tokenize_options(model->config, tokenizer));
}

}  // namespace lait
