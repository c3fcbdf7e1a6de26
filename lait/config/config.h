// lait/config/: YAML to plain structs, strict.
//
// The configuration: plain structs with their defaults, the one place for both. lait/config/fields.h lists every field
// once; reading, writing, --set and the error messages all come from that list.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lait {

enum class Scope { kSegment, kGroup, kExample };         // "segment", "group", "example"
enum class SegmentFormat { kAuto, kStandalone, kPair };  // "auto", ...
enum class Head { kClassifier, kRegression, kText };  // text: for decoders (T5), refused for BERT
enum class Pooling {
  kCls,
  kMean,
  kSegments,
  kClsSegments
};  // "cls", "mean", "segments", "cls_segments"
enum class OnOverflow { kTruncate, kError };
enum class Precision { kAuto, kBf16, kFp32 };
enum class DeviceKind { kAuto, kCpu, kCuda };
enum class BatchBy { kExamples, kTokens };  // what training.batch_size counts

inline constexpr int64_t kMaxLayers =
    256;  // of a model: a layer is 8 bits of the dropout's counter

// Tokens of the shortest sequence that a model must take: pair's "[CLS] [SEP] [SEP]", or one token of text between two.
inline constexpr int64_t kFewestTokens = 3;

struct Stage {
  int64_t num_layers = 0;
  Scope scope = Scope::kExample;
  bool operator==(const Stage&) const = default;
};

struct ModelConfig {
  std::string
      path;  // a Hugging Face directory, or a name looked up in the local Hugging Face cache
  std::optional<int64_t>
      independent_layers;  // P; shorthand for schedule [{P, segment}, {L-P, example}]; default 0
  std::vector<Stage>
      schedule;  // excludes independent_layers; num_layers must add up to the model's L
  SegmentFormat segment_format = SegmentFormat::kAuto;
  std::optional<Head> head;  // default: regression for a regression task, else classifier
  Pooling pooling = Pooling::kClsSegments;
  std::optional<double> hidden_dropout;     // overrides the checkpoint's hidden_dropout_prob
  std::optional<double> attention_dropout;  // overrides attention_probs_dropout_prob
  std::optional<double> classifier_dropout;
  bool operator==(const ModelConfig&) const = default;
};

// Files of one split, read one after the other.
using DataFiles = std::vector<std::string>;

struct DataConfig {
  DataFiles train, validation, test;
  int64_t max_segment_tokens = 0;  // with special tokens; 0: the model's limit
  OnOverflow on_overflow = OnOverflow::kTruncate;
  int64_t skip_bad_lines = 0;
  bool operator==(const DataConfig&) const = default;
};

struct TrainingConfig {
  std::optional<double> epochs;  // default 3; excludes steps
  std::optional<int64_t> steps;
  int64_t batch_size = 32;
  BatchBy batch_by = BatchBy::kExamples;
  int64_t accumulation = 1;  // micro-batches in one optimiser step
  double learning_rate = 5e-5;
  double head_learning_rate_factor =
      1.0;                     // the head's learning rate is this many times learning_rate
  double weight_decay = 0.01;  // not on biases and norms
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double warmup = 0.06;        // share of all steps, linear from 0; then linear decay to 0
  double max_grad_norm = 1.0;  // 0: no clipping
  double label_smoothing = 0.0;
  Precision precision = Precision::kAuto;
  DeviceKind device = DeviceKind::kAuto;
  int64_t threads = 0;  // 0: all cores
  uint64_t seed = 1;
  int64_t log_every = 20;        // steps
  int64_t evaluate_every = 0;    // steps; 0: every epoch
  int64_t checkpoint_every = 0;  // steps; 0: every epoch
  std::string select_by;         // metric on validation data; "": the task's first
  bool operator==(const TrainingConfig&) const = default;
};

struct OutputConfig {
  std::string dir;   // the run directory
  int64_t keep = 1;  // newest checkpoints/step-N kept
  bool operator==(const OutputConfig&) const = default;
};

struct Config {
  ModelConfig model;
  std::string task;
  DataConfig data;
  TrainingConfig training;
  OutputConfig output;
  bool operator==(const Config&) const = default;
};

}  // namespace lait
