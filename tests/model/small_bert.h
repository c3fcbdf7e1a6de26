// A BERT with random weights, and data of token ids, for property tests that need no pretrained
// model. The same seed and name give a parameter the same values, whatever the schedule, pooling or
// number of layers. Only tests see this.
#pragma once
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "lait/data/dataset.h"
#include "lait/data/packing.h"
#include "lait/model/model.h"
#include "lait/text/tokenizer.h"

namespace lait {

// Texts are numbers separated by blanks: "5 17 9".
class IdTokenizer : public Tokenizer {
 public:
  explicit IdTokenizer(int32_t vocab_size) : vocab_size_(vocab_size) {}
  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    std::vector<ByteRange> ranges;
    encode(text, out, ranges);
  }
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(' ', begin), text.size());
      int32_t id = 0;
      std::from_chars(text.data() + begin, text.data() + end, id);
      out.push_back(id);
      ranges.push_back({static_cast<int32_t>(begin), static_cast<int32_t>(end)});
      begin = end + 1;
    }
  }
  SpecialTokens special_tokens() const override { return {.cls = 1, .sep = 2}; }
  int32_t vocab_size() const override { return vocab_size_; }
  const std::map<std::string, std::string>& files() const override { return files_; }

 private:
  std::map<std::string, std::string> files_;
  int32_t vocab_size_;
};

struct SmallBertOptions {
  int64_t layers = 4, hidden = 64, heads = 2, intermediate = 128, vocab = 200, positions = 256;
  double dropout = 0;
  const char* family = "bert";
};

// How a test packs, if not as the product does.
struct Packing {
  bool share = true, prune = true;
};

inline DeviceBatch batch_of(const Model& model, const Dataset& dataset,
                            const std::vector<int64_t>& indices, const Packing& packing = {}) {
  PackPlan plan = model->pack_plan(model->spec.schedule);
  plan.share_segments = packing.share;
  plan.prune_rows = packing.prune;
  PackedBatch packed = pack(dataset, indices, plan);
  const at::Tensor labels = model->head->labels(packed.labels);
  return to_device(std::move(packed), labels, model->device());
}

// Every row of the examples, whatever the model's head reads.
inline DeviceBatch whole_batch(const Model& model, const Dataset& dataset,
                               const std::vector<int64_t>& indices) {
  PackPlan plan = model->pack_plan(model->spec.schedule);
  plan.reads = {.rows = Reads::Rows::kAll};
  PackedBatch packed = pack(dataset, indices, plan);
  const at::Tensor labels = model->head->labels(packed.labels);
  return to_device(std::move(packed), labels, model->device());
}

// The final states of the examples' rows, in the batch's order. REQUIRES: a whole_batch.
inline at::Tensor example_rows(Model& model, const DeviceBatch& batch) {
  const at::Tensor rows = model->encoder->forward(batch, {}).rows;
  const Gather& order = batch.packed.head.rows;
  return order.index.size > 0 ? gather(rows, batch, order) : rows;
}

class SmallBert {
 public:
  explicit SmallBert(const SmallBertOptions& options = {}) : options_(options) {}

  ModelSpec spec(const Schedule& schedule, SegmentFormat format, Pooling pooling) const {
    ModelSpec spec;
    spec.schedule = schedule;
    spec.task = "jsonl";
    spec.format = format;
    spec.pooling = pooling;
    spec.max_segment_tokens = options_.positions;
    spec.labels = {"a", "b", "c"};
    return spec;
  }
  ModelSpec spec(int64_t independent_layers, SegmentFormat format, Pooling pooling) const {
    return spec(split_schedule(independent_layers, options_.layers), format, pooling);
  }

  HfConfig config() const {
    HfConfig config;
    config.family = find_family(options_.family);
    config.vocab_size = options_.vocab;
    config.hidden_size = options_.hidden;
    config.num_hidden_layers = options_.layers;
    config.num_attention_heads = options_.heads;
    config.intermediate_size = options_.intermediate;
    config.max_position_embeddings = options_.positions;
    config.type_vocab_size = config.family->model_type() == "mpnet" ? 0 : 2;
    config.layer_norm_eps = 1e-12;
    config.max_tokens = options_.positions;
    config.head_dim = options_.hidden / options_.heads;
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = options_.dropout;
    return config;
  }

  Model model(const ModelSpec& spec, at::ScalarType dtype) const {
    Model model(config(), spec, dtype);
    at::NoGradGuard no_grad;
    for (auto& named : model->named_parameters()) {
      at::Tensor& parameter = named.value();
      uint64_t seed = 1469598103934665603u;
      for (const char c : named.key())
        seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211u;
      auto generator = at::detail::createCPUGenerator(seed);
      const bool matrix = parameter.dim() == 2;
      parameter.normal_(0, matrix ? 1 / std::sqrt(static_cast<double>(parameter.size(1))) : 0.1,
                        generator);
      if (named.key().ends_with("LayerNorm.weight")) parameter.add_(1);
    }
    model->refresh_shadows();
    return model;
  }

  Dataset dataset(const ModelSpec& spec, const std::vector<Example>& examples) const {
    const IdTokenizer tokenizer(static_cast<int32_t>(options_.vocab));
    return Dataset(examples, tokenizer, spec.tokenize_options(config(), tokenizer));
  }

  // `length` tokens, without special tokens.
  std::string random_text(std::mt19937& random, int64_t length) const {
    std::string text;
    for (int64_t i = 0; i < length; ++i) {
      if (i > 0) text += ' ';
      text += std::to_string(3 + random() % static_cast<uint32_t>(options_.vocab - 3));
    }
    return text;
  }

  // Two to four segments each, of 0 to 60 tokens, many shared between examples; every example has
  // two groups.
  std::vector<Example> random_examples(uint32_t seed, int64_t num_examples) const {
    std::mt19937 random(seed);
    std::vector<std::string> pool;
    for (int64_t i = 0; i < num_examples; ++i)
      pool.push_back(random_text(random, i == 0 ? 0 : static_cast<int64_t>(random() % 60)));
    std::vector<Example> out;
    for (int64_t e = 0; e < num_examples; ++e) {
      Example example;
      const size_t num_segments = 2 + random() % 3, in_first = 1 + random() % (num_segments - 1);
      for (size_t s = 0; s < num_segments; ++s) {
        example.segments.push_back(pool[random() % pool.size()]);
        example.groups.push_back(s >= in_first);
      }
      example.label = ClassLabel{static_cast<int64_t>(random() % 3)};
      out.push_back(std::move(example));
    }
    return out;
  }

 private:
  SmallBertOptions options_;
};

}  // namespace lait
