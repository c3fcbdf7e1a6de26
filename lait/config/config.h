// lait/config/: YAML to plain structs, strict.
//
// The configuration: plain structs with their defaults, the one place for both.
// lait/config/fields.h lists every field once; reading, writing, --set and the error messages all
// come from that list.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lait/schedule.h"

namespace lait {

// The names of choices are in lait/config/enum_names.h.
enum class SegmentFormat { kAuto, kStandalone, kPair };
// kText is for families with a decoder.
enum class HeadKind { kClassifier, kRegression, kRelevance, kSpan, kText };
enum class Pooling { kCls, kMean, kSegments, kClsSegments };
enum class OnOverflow { kTruncate, kError };
enum class Precision { kAuto, kBf16, kFp32 };
enum class DeviceKind { kAuto, kCpu, kCuda };
// Where a model's weights come from. kRandom: config.json and the tokenizer's files are enough.
enum class ModelInit { kPretrained, kRandom };
// Which weights a distilled model starts from.
enum class StudentInit { kPretrained, kTeacher };
// What training.batch_size counts.
enum class BatchBy { kExamples, kTokens };
enum class OptimizerKind { kAdamW, kAdafactor };
// Of the learning rate, after the warm-up.
enum class LearningRateSchedule { kLinear, kConstant, kCosine, kInverseSqrt };
// Of data files. kAuto: found by the first line. kTsv: tab-separated, quotes are text. kCsv: quotes
// enclose fields.
enum class FileFormat { kAuto, kJsonLines, kTsv, kCsv };
// "false" and "true".
enum class Switch { kOff, kOn };
// kAuto: as kOn if the data repeat their segments often, else batches are as without shared ones.
enum class ShareSegments { kAuto, kOff, kOn };

// Tokens of the shortest sequence that a model must take: one token of text between two special
// ones.
inline constexpr int64_t kFewestTokens = 3;
// Of data.window_overlap.
inline constexpr int64_t kDefaultWindowOverlap = 128;
// Of training.epochs and training.warmup.
inline constexpr double kDefaultEpochs = 3, kDefaultWarmup = 0.06;
// Of training.lexical_bias_learning_rate: a bias is one number that begins at 0, and the scores to
// which it is added are of size 1.
inline constexpr double kDefaultLexicalBiasLearningRate = 3e-2;
// Of training.distill.temperature.
inline constexpr double kDefaultTemperature = 2;
// AdamW's.
inline constexpr double kDefaultBeta1 = 0.9, kDefaultBeta2 = 0.999, kDefaultEpsilon = 1e-8;

struct ModelConfig {
  // A Hugging Face directory, or a name looked up in the local Hugging Face cache.
  std::string path;
  ModelInit init = ModelInit::kPretrained;
  // P; shorthand for schedule [{P, segment}, {L-P, example}]; default 0.
  std::optional<int64_t> independent_layers;
  // Excludes independent_layers; num_layers must add up to the model's L.
  Schedule schedule;
  SegmentFormat segment_format = SegmentFormat::kAuto;
  // Default: the head for the task's kind of label.
  std::optional<HeadKind> head;
  // Default: the model family's.
  std::optional<Pooling> pooling;
  // Each head of each layer in which segments see each other learns what it adds to the score of
  // two rows that hold the same token in different segments.
  Switch lexical_bias = Switch::kOff;
  // These override the checkpoint's hidden_dropout_prob, attention_probs_dropout_prob and
  // classifier_dropout.
  std::optional<double> hidden_dropout;
  std::optional<double> attention_dropout;
  std::optional<double> classifier_dropout;
  bool operator==(const ModelConfig&) const = default;
};

// Files of one split, read one after the other.
using DataFiles = std::vector<std::string>;

struct NameList : std::vector<std::string> {
  using vector::vector;
};
// What files call the fields of an example; empty: as the task's own files.
struct DataColumns {
  NameList segments{};
  std::optional<std::string> label{}, id{};
  bool operator==(const DataColumns&) const = default;
};
// Numbers of independent layers.
struct LayerCounts : std::vector<int64_t> {
  using vector::vector;
};
// Labels as files write them, and which label they mean.
struct LabelMap : std::vector<std::pair<std::string, std::string>> {
  using vector::vector;
};

// Of the classes in the loss.
struct ClassWeights {
  // By how rare a class is in the training data; excludes by_label.
  bool balanced = false;
  // Labels that are not named have 1.
  std::vector<std::pair<std::string, double>> by_label = {};
  bool operator==(const ClassWeights&) const = default;
};

struct DataConfig {
  DataFiles train, validation, test;
  // Of "train", "validation" or "test".
  const DataFiles& files_of(std::string_view split) const {
    return split == "train" ? train : split == "validation" ? validation : test;
  }
  FileFormat format = FileFormat::kAuto;
  DataColumns columns;
  LabelMap label_map;
  // The files in which tasks look texts up that examples name by an id (task.h: TextFile).
  DataFiles bodies, corpus, wiki_pages;
  // Segments of every example; 0: any number. Default: that of the first training example.
  std::optional<int64_t> num_segments;
  // With special tokens; 0: the model's limit.
  int64_t max_segment_tokens = 0;
  OnOverflow on_overflow = OnOverflow::kTruncate;
  // Tokens that two windows of a passage have in common; default kDefaultWindowOverlap, for tasks
  // whose answers are spans of a passage.
  std::optional<int64_t> window_overlap;
  int64_t skip_bad_lines = 0;
  bool operator==(const DataConfig&) const = default;
};

// CPU threads; 0: auto.
struct ThreadCount {
  int64_t count = 0;
  bool operator==(const ThreadCount&) const = default;
};

struct EarlyStopping {
  // Evaluations without an improvement after which training ends. Default: it does not end early.
  std::optional<int64_t> patience;
  // What is not better than the best by more than this is no improvement.
  double min_change = 0;
  bool operator==(const EarlyStopping&) const = default;
};

// Adapters that are trained instead of the encoder's weights.
struct LoraConfig {
  // Default: no adapters.
  std::optional<int64_t> rank;
  double alpha = 16, dropout = 0;
  NameList targets{"query", "value"};
  bool operator==(const LoraConfig&) const = default;
};

// A teacher whose outputs are learned beside the labels.
struct DistillConfig {
  // A checkpoint of lait-train, or a run directory; "": none.
  std::string teacher;
  // Default kDefaultTemperature, of heads whose outputs are logits.
  std::optional<double> temperature;
  // Of the teacher's part in an example's loss; the label's is 1 - weight.
  double weight = 0.7;
  StudentInit init = StudentInit::kPretrained;
  // New pairs of the training data's texts, for each example.
  int64_t recombine = 0;
  // Files of examples whose labels are not read.
  DataFiles data;
  bool operator==(const DistillConfig&) const = default;
};

struct TrainingConfig {
  // Default kDefaultEpochs; excludes steps.
  std::optional<double> epochs;
  std::optional<int64_t> steps;
  int64_t batch_size = 32;
  BatchBy batch_by = BatchBy::kExamples;
  // Whether batches bring examples together that share segments, and encode these once.
  ShareSegments share_segments = ShareSegments::kAuto;
  // Micro-batches in one optimiser step.
  int64_t accumulation = 1;
  // A process's part of a micro-batch with more tokens is computed in several parts; 0: no limit.
  int64_t max_tokens_per_device = 0;
  // Backward computes each layer again instead of keeping what it needs.
  Switch recompute = Switch::kOff;
  // Where a config names Adafactor, learning_rate, weight_decay, schedule, warmup and max_grad_norm
  // have defaults of its own (read.h).
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  double learning_rate = 5e-5;
  // The head's learning rate is this many times learning_rate.
  double head_learning_rate_factor = 1.0;
  // Of the lexical bias; default kDefaultLexicalBiasLearningRate.
  std::optional<double> lexical_bias_learning_rate;
  // Each layer's learning rate is this many times that of the part above it.
  double layer_decay = 1.0;
  // The P of which each step trains one; empty: the model's P only.
  LayerCounts elastic_independent_layers;
  // What training leaves as it is: parts of the encoder, as lait/model/frozen.h reads them.
  NameList freeze;
  LoraConfig lora;
  DistillConfig distill;
  // Not on biases and norms.
  double weight_decay = 0.01;
  // Of AdamW only.
  std::optional<double> beta1, beta2, epsilon;
  // How the learning rate goes on after the warm-up.
  LearningRateSchedule schedule = LearningRateSchedule::kLinear;
  // The warm-up, linear from 0, as a share of all steps (default kDefaultWarmup), or in steps.
  std::optional<double> warmup;
  std::optional<int64_t> warmup_steps;
  // 0: no clipping.
  double max_grad_norm = 1.0;
  double label_smoothing = 0.0;
  // Default: all classes count the same.
  std::optional<ClassWeights> class_weights;
  // Decay of the moving average of the weights, which is then what is validated and saved as the
  // best model. Default: none.
  std::optional<double> ema;
  // Each rank keeps the moments of a part of the parameters, and updates these.
  Switch shard_optimizer = Switch::kOff;
  // A step whose gradient is not finite is left out. More of them in a row end the run.
  int64_t max_skipped_steps = 10;
  Precision precision = Precision::kAuto;
  // fp32 products on GPUs round their operands to TF32.
  Switch tf32 = Switch::kOff;
  DeviceKind device = DeviceKind::kAuto;
  ThreadCount threads;
  uint64_t seed = 1;
  // In steps; 0: every epoch.
  int64_t log_every = 20;
  int64_t evaluate_every = 0;
  int64_t checkpoint_every = 0;
  // Metric on validation data; "": the task's first.
  std::string select_by;
  EarlyStopping early_stopping;
  bool operator==(const TrainingConfig&) const = default;
};

struct DistributedConfig {
  // Seconds that a process waits for the others.
  int64_t timeout = 600;
  bool operator==(const DistributedConfig&) const = default;
};

struct OutputConfig {
  // The run directory.
  std::string dir;
  // The newest checkpoints/step-N that are kept. If the newest is damaged, the run resumes from the
  // one before it.
  int64_t keep = 2;
  // Also write code with which transformers runs models that it has no class for.
  Switch hf_code = Switch::kOff;
  bool operator==(const OutputConfig&) const = default;
};

// Bytes, which texts may give with a unit.
struct ByteCount {
  int64_t bytes = 0;
  bool operator==(const ByteCount&) const = default;
};

// The segment store from which a training takes what its frozen layers make of segments.
struct CacheConfig {
  std::string dir;  // "": none
  // Only what computes like this machine's values is used.
  Switch exact = Switch::kOff;
  // The most that the folder may hold; 0: no limit.
  ByteCount max_bytes;
  bool operator==(const CacheConfig&) const = default;
};

struct Config {
  ModelConfig model;
  std::string task;
  DataConfig data;
  TrainingConfig training;
  DistributedConfig distributed;
  OutputConfig output;
  CacheConfig cache;
  bool operator==(const Config&) const = default;
};

}  // namespace lait
