#include "lait/model/t5.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/segment_attention.h"

namespace lait {
namespace {

constexpr int64_t kLargest = 65536;
// T5Config's n_positions where config.json names none: the length that T5 was trained with. Longer
// sequences work, since distances are bucketed.
constexpr int64_t kTrainedLength = 512;
constexpr std::string_view kDecoder = "decoder.", kLmHead = "lm_head.weight",
                           kPositions = "relative_attention_bias.weight", kShared = "shared.weight";

bool has(const std::string& name, std::string_view part) { return name.find(part) != name.npos; }

std::string replaced(std::string name, std::string_view from, std::string_view to) {
  return name.replace(name.find(from), from.size(), to);
}

class T5Family final : public Family {
 public:
  std::string model_type() const override { return "t5"; }

  void read_config(ConfigFields& fields, HfConfig& c) const override {
    fields.expect("is_encoder_decoder", true, "T5's encoder comes with its decoder");
    c.vocab_size = fields.count("vocab_size", int64_t{1} << 24);
    c.hidden_size = fields.count("d_model", kLargest);
    c.head_dim = fields.count("d_kv", kLargest);
    c.intermediate_size = fields.count("d_ff", 4 * kLargest);
    c.num_hidden_layers = fields.count("num_layers", kMaxLayers / 2);
    c.num_decoder_layers = fields.count("num_decoder_layers", kMaxLayers / 2, c.num_hidden_layers);
    c.num_attention_heads = fields.count("num_heads", 256);
    c.position_buckets = fields.count("relative_attention_num_buckets", 1024, 32, /*low=*/4);
    c.position_distance =
        fields.count("relative_attention_max_distance", kernels::cuda::kMaxBiasDistance, 128);
    c.pad_token_id = fields.count("pad_token_id", int64_t{1} << 24, 0, /*low=*/0);
    c.decoder_start_token_id =
        fields.count("decoder_start_token_id", int64_t{1} << 24, c.pad_token_id, /*low=*/0);
    c.layer_norm_eps = fields.number("layer_norm_epsilon", 1e-6, 1);
    c.hidden_dropout_prob = c.attention_probs_dropout_prob = fields.number("dropout_rate", 0.1, 1);
    c.classifier_dropout = fields.number("classifier_dropout", 0, 1);
    c.initializer_range = fields.number("initializer_factor", 1, 1e3);
    c.gated_feed_forward = fields.is("feed_forward_proj", "gated-gelu");
    if (!c.gated_feed_forward)
      fields.expect("feed_forward_proj", "relu", "or gated-gelu; other forms are not supported");
    c.tied_embeddings = !fields.is("tie_word_embeddings", false);
    c.default_max_tokens = fields.count("n_positions", kLargest, kTrainedLength, kFewestTokens);
    c.max_tokens = kLargest;
    if (c.position_buckets % 2 != 0)
      fields.problem("relative_attention_num_buckets: expected an even number, got " +
                     std::to_string(c.position_buckets));
    if (c.head_dim == 0) return;
    if (const std::string problem = kernels::head_dim_problem(c.head_dim); !problem.empty())
      fields.problem("d_kv: " + problem + "; use a model whose d_kv the kernels support");
  }

  void write_config(const HfConfig& c, nlohmann::ordered_json& json) const override {
    json["vocab_size"] = c.vocab_size;
    json["d_model"] = c.hidden_size;
    json["d_kv"] = c.head_dim;
    json["d_ff"] = c.intermediate_size;
    json["num_layers"] = c.num_hidden_layers;
    json["num_decoder_layers"] = c.num_decoder_layers;
    json["num_heads"] = c.num_attention_heads;
    json["relative_attention_num_buckets"] = c.position_buckets;
    json["relative_attention_max_distance"] = c.position_distance;
    json["pad_token_id"] = c.pad_token_id;
    json["decoder_start_token_id"] = c.decoder_start_token_id;
    json["layer_norm_epsilon"] = c.layer_norm_eps;
    json["dropout_rate"] = c.hidden_dropout_prob;
    json["initializer_factor"] = c.initializer_range;
    json["feed_forward_proj"] = c.gated_feed_forward ? "gated-gelu" : "relu";
    json["tie_word_embeddings"] = c.tied_embeddings;
    json["is_encoder_decoder"] = true;
  }

  double num_parameters(const HfConfig& c) const override {
    const auto width = static_cast<double>(c.hidden_size),
               attention = 4 * width * static_cast<double>(c.num_attention_heads * c.head_dim);
    const double feed_forward =
        (c.gated_feed_forward ? 3 : 2) * width * static_cast<double>(c.intermediate_size);
    // The encoder's; a head that reads only the encoder has no more.
    return static_cast<double>(c.num_hidden_layers) * (attention + feed_forward) +
           width * static_cast<double>(c.vocab_size);
  }

  std::shared_ptr<EncoderImpl> make_encoder(const HfConfig& config,
                                            at::ScalarType compute_dtype) const override {
    return std::make_shared<T5EncoderImpl>(config, compute_dtype);
  }
  std::shared_ptr<DecoderImpl> make_decoder(const HfConfig& config, const EncoderImpl& encoder,
                                            at::ScalarType compute_dtype) const override {
    return make_t5_decoder(config, static_cast<const T5EncoderImpl&>(encoder).embeddings(),
                           compute_dtype);
  }

  std::vector<std::string> hf_names(const std::string& name) const override {
    const bool decoder = name.starts_with(kDecoder);
    const std::string own = decoder ? name.substr(kDecoder.size()) : name;
    if (own == kShared) return {own};
    if (has(own, kLmHead)) return {std::string(kLmHead)};
    const std::string full = (decoder ? std::string(kDecoder) : "encoder.") + own;
    if (own == kPositions)
      return {replaced(full, kPositions, "block.0.layer.0.SelfAttention." + own)};
    const auto parts = [&](std::string_view from, std::initializer_list<const char*> list) {
      std::vector<std::string> out;
      for (const char* part : list) out.push_back(replaced(full, from, part));
      return out;
    };
    if (has(own, ".qkv.")) return parts(".qkv.", {".q.", ".k.", ".v."});
    if (has(own, ".kv.")) return parts(".kv.", {".k.", ".v."});
    if (has(own, ".wi_0_1.")) return parts(".wi_0_1.", {".wi_0.", ".wi_1."});
    return {full};
  }

  ParameterRole role(const std::string& name) const override {
    using Part = ParameterRole::Part;
    using Kind = ParameterRole::Kind;
    const bool decoder = name.starts_with(kDecoder);
    const std::string own = decoder ? name.substr(kDecoder.size()) : name;
    if (own == kShared) return {.part = Part::kEmbedding, .kind = Kind::kTable};
    // As in transformers' Trainer, it has no weight decay.
    if (own == kPositions) return {.part = Part::kSharedTable, .kind = Kind::kBias};
    ParameterRole role{.part = Part::kTop, .kind = has(own, "norm") ? Kind::kNorm : Kind::kMatrix};
    static constexpr std::string_view kBlock = "block.";
    if (own.starts_with(kBlock)) {
      role.part = decoder ? Part::kDecoderLayer : Part::kEncoderLayer;
      role.layer = std::stol(own.substr(kBlock.size()));
    }
    return role;
  }

  TensorNames tensor_names() const override {
    return {.prefix = "",
            .encoder_parts = {},
            .renamed_ends = {},
            // The first of t5-small and its like has no meaning; a tied output layer is the
            // embeddings again.
            .ignorable = {"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.",
                          "lm_head.", "classification_head.", "classifier.", "qa_outputs."},
            .also = {{std::string(kShared),
                      {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}}}};
  }

  SegmentLayout layout(const HfConfig&, const SpecialTokens& tokens) const override {
    return {.suffix = {tokens.sep}, .joins_texts = true, .uses_prompts = true};
  }

  HeadTensors head_tensors(HeadKind kind, bool) const override {
    if (kind == HeadKind::kText)
      return {.architecture = "T5ForConditionalGeneration", .modules = {}};
    // No class of transformers pools the encoder's states.
    return {.modules = {{.name = "output", .hf_name = "classifier"}}};
  }
  Pooling default_pooling() const override { return Pooling::kSegments; }
  bool has_decoder() const override { return true; }
  std::string tokenizer_class() const override { return "T5Tokenizer"; }

  double initial_deviation(const HfConfig& c, const std::string& hf_name) const override {
    const auto width = static_cast<double>(c.hidden_size),
               head_dim = static_cast<double>(c.head_dim);
    double square = 1;  // of the deviation's inverse
    if (has(hf_name, ".q.")) {
      square = width * head_dim;
    } else if (has(hf_name, ".o.")) {
      square = static_cast<double>(c.num_attention_heads) * head_dim;
    } else if (has(hf_name, ".wo.")) {
      square = static_cast<double>(c.intermediate_size);
    } else if (hf_name != kShared && hf_name != kLmHead) {
      square = width;
    }
    return c.initializer_range / std::sqrt(square);
  }

  EncoderCosts costs(const HfConfig& c) const override {
    const int64_t width = c.hidden_size, heads = c.num_attention_heads,
                  attention = heads * c.head_dim, inner = c.intermediate_size,
                  in = c.gated_feed_forward ? 2 * inner : inner;
    const auto product = [](int64_t from, int64_t to) {
      return static_cast<double>(from) * static_cast<double>(to);
    };
    EncoderCosts costs;
    costs.layer = {
        .pair = 2 * static_cast<double>(attention),
        .query = product(width, attention),
        .key_value = 2 * product(width, attention),
        .output = product(attention, width),
        .feed_forward = product(width, in) + product(inner, width),
        .saved_key_value = 2 * attention,  // k, v
        // q, context, the second norm's input, and of the feed-forward its second product's input;
        // gated also its first product and GELU's result. The norms' results are made again.
        .saved_made = 2 * attention + width + (c.gated_feed_forward ? 4 * inner : inner),
        .saved_floats = heads + 2,  // the log-sum-exp; both norms' scales
        .widest_in = width,
        .widest_out = in};
    costs.final_floats = width + 1;  // the final norm's input, at most, and its scale
    return costs;
  }

  DecoderCosts decoder_costs(const HfConfig& c) const override {
    return {.num_layers = c.num_decoder_layers,
            .layer = costs(c).layer,
            .logits = static_cast<double>(c.hidden_size) * static_cast<double>(c.vocab_size)};
  }
};

}  // namespace

const Family& t5_family() {
  static const T5Family family;
  return family;
}

}  // namespace lait
