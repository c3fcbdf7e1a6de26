// Model families: one file each, found through the one list in families.cpp. No other code names a
// family or compares the name of a parameter.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lait/checkpoint/checkpoint_tensors.h"
#include "lait/config/config.h"
#include "lait/model/config_fields.h"
#include "lait/model/decoder.h"
#include "lait/model/encoder.h"
#include "lait/model/hf_config.h"
#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer.h"

namespace lait {

// What kind of parameter it is, for the optimiser, the memory estimate, freezing and checkpoints.
struct ParameterRole {
  // kTop: between the layers and the head, as a final norm.
  enum class Part { kEmbedding, kEncoderLayer, kDecoderLayer, kSharedTable, kTop, kHead };
  // kLexicalBias: a layer's, which no family has (ModelImpl::lexical_biases).
  enum class Kind { kMatrix, kNorm, kBias, kTable, kLexicalBias };
  Part part = Part::kHead;
  // For kEncoderLayer and kDecoderLayer.
  int64_t layer = 0;
  Kind kind = Kind::kMatrix;
};

// A module of a head, and its name in the family's Hugging Face checkpoints.
struct HeadModule {
  std::string name;
  std::string hf_name;
  // It belongs to the pretrained encoder (BERT's pooler), so a checkpoint without it is refused.
  bool pretrained = false;
};

// How the family's checkpoints store a head.
struct HeadTensors {
  // The Hugging Face class that computes this head, for config.json's "architectures"; "": none.
  std::string architecture = {};
  std::vector<HeadModule> modules;
  // The family's own head on the first row has a dense layer and tanh before the output layer.
  bool dense = false;
  // Dropout also before that dense layer (RoBERTa); false: only after it.
  bool dropout_before_dense = false;
};

// The costs of a layer. C, H, D, I: kernels/segment_attention.h, lait/model/hf_config.h.
struct LayerCosts {
  // Multiply-adds: for a pair of rows that see each other (Q K^T and P V); for a row's query; its
  // key and value; its output projection; its feed-forward.
  double pair = 0, query = 0, key_value = 0, output = 0, feed_forward = 0;
  // What forward saves for backward, each tensor once: elements of the compute dtype for each row
  // whose key and value attention reads (after a join) and for each row that is computed, and
  // floats for each row that is computed.
  // Without the layer's input and output, which all layers have.
  int64_t saved_key_value = 0, saved_made = 0, saved_floats = 0;
  // Inner and outer width of the product whose backward needs the most memory beyond what is saved.
  int64_t widest_in = 0, widest_out = 0;
};

struct EncoderCosts {
  LayerCosts layer;
  // What the embeddings save for backward: floats for each row.
  int64_t embedding_floats = 0;
  // What is done to the last step's states saves: floats for each row.
  int64_t final_floats = 0;
};

// A decoder's layers: self-attention and feed-forward as `layer`, and a cross-attention whose
// projections and pairs cost what the self-attention's do.
struct DecoderCosts {
  int64_t num_layers = 0;
  LayerCosts layer = {};
  // Multiply-adds of a row's product with the output layer.
  double logits = 0;
};

class Family {
 public:
  virtual ~Family() = default;
  // config.json's "model_type".
  virtual std::string model_type() const = 0;
  // Fills and checks `config`; problems go to `fields`.
  virtual void read_config(ConfigFields& fields, HfConfig& config) const = 0;
  // The fields of `config` under the family's keys.
  virtual void write_config(const HfConfig& config, nlohmann::ordered_json& json) const = 0;
  // About how many elements the encoder's matrices and tables have.
  virtual double num_parameters(const HfConfig& config) const = 0;
  virtual std::shared_ptr<EncoderImpl> make_encoder(const HfConfig& config,
                                                    at::ScalarType compute_dtype) const = 0;

  // Null if the family has none. It may share parameters of the encoder, a make_encoder's.
  virtual std::shared_ptr<DecoderImpl> make_decoder(const HfConfig&, const EncoderImpl& /*encoder*/,
                                                    at::ScalarType /*compute_dtype*/) const {
    return nullptr;
  }

  // Names of the encoder's parameter `name`, or the decoder's "decoder." + name, in Hugging Face's
  // checkpoints; several names if they are equal parts of it, concatenated along dimension 0.
  virtual std::vector<std::string> hf_names(const std::string& name) const = 0;
  virtual ParameterRole role(const std::string& name) const = 0;
  virtual TensorNames tensor_names() const = 0;
  // Tensors of a pretrained checkpoint that an encoder without the family's own head does not read
  // (BERT's pooler). They are kept and written back.
  virtual std::vector<std::string> carried_tensors() const { return {}; }

  virtual SegmentLayout layout(const HfConfig& config, const SpecialTokens& tokens) const = 0;
  // Why a model with that config has no pair format: "pair …"; "" if it has one.
  virtual std::string pair_problem(const HfConfig& config) const { return ""; }

  // `on_first_row`: the family's own head, which reads the example's first row; false: one of our
  // heads.
  virtual HeadTensors head_tensors(HeadKind kind, bool on_first_row) const = 0;
  virtual Pooling default_pooling() const = 0;
  // Of a fresh model's tensor, which is normal around 0 (biases are 0, norms 1).
  virtual double initial_deviation(const HfConfig& config, const std::string& /*hf_name*/) const {
    return config.initializer_range;
  }
  virtual bool has_decoder() const { return false; }
  // Whether modeling_lait.py (hf_code.h) computes it.
  virtual bool has_hf_code() const { return false; }
  // transformers' tokenizer class, which it knows by model_type: for checkpoints of type "lait".
  virtual std::string tokenizer_class() const { return ""; }

  virtual EncoderCosts costs(const HfConfig& config) const = 0;
  virtual DecoderCosts decoder_costs(const HfConfig&) const { return {}; }
};

// The list.
const std::vector<const Family*>& all_families();
// Null if the list has no such family.
const Family* find_family(const std::string& model_type);
// "bert, mpnet, …", for messages.
std::string family_names();

// Adds a family, which must outlive its use. Not thread-safe: call it before models are read.
void register_family(const Family& family);

}  // namespace lait
