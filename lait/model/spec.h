// What a checkpoint stores beside weights and tokenizer: everything that turns texts into
// predictions (lait.yaml). Also the one set of rules for what fits together: training, evaluation
// and prediction call `check`.
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/dataset.h"
#include "lait/data/read_options.h"
#include "lait/model/hf_config.h"
#include "lait/text/tokenizer.h"

namespace lait {

struct ModelSpec {
  // The schedule of training, and of prediction; a batch may have another.
  Schedule schedule;
  // The P of one model for every P of a list; empty: it was trained at the schedule's only.
  LayerCounts elastic = {};
  // Resolved: kStandalone or kPair.
  SegmentFormat format = SegmentFormat::kStandalone;
  Pooling pooling{};
  HeadKind head{};
  bool lexical_bias = false;
  // Resolved: at most the model's positions.
  int64_t max_segment_tokens = 0;
  OnOverflow on_overflow = OnOverflow::kTruncate;
  std::string task;
  // Tokens that windows of a passage have in common; nullopt: the task's labels are no spans.
  std::optional<int64_t> window_overlap = {};
  // Of such a task: a question has no answer if the score of that is larger than the best span's by
  // more than this. Chosen on validation data.
  double no_answer_threshold = 0;
  // Classes by index; empty for a head without classes.
  std::vector<std::string> labels;
  // Of every example; 0: any number.
  int64_t num_segments = 0;
  // What the training's files call their fields; for the same task's files.
  ReadOptions reading{};

  // What the labels are that the head is trained on.
  LabelKind label_kind() const;
  // P: layers before the first of example scope.
  int64_t independent_layers() const { return lait::independent_layers(schedule); }
  // The schedules that are trained: one for each P of `elastic`, in its order, or the one.
  std::vector<Schedule> schedules() const;
  // Throws UserError "where: KEY: expected …" if a model with that config cannot have this spec: a
  // schedule of other layers, a format or head that the family lacks, more positions than it has.
  // `where` may be empty.
  void check(const HfConfig& config, const std::string& where) const;
  // The same weights with P = independent_layers. Throws UserError: P is out of range, the model
  // has the pair format (its segments are not sequences of their own), or the pooling would not see
  // all segments. `key`: what gives it, for messages.
  ModelSpec at(int64_t independent_layers, const HfConfig& config,
               const std::string& key = "--independent-layers") const;
  TokenizeOptions tokenize_options(const HfConfig& config, const Tokenizer& tokenizer) const;
};

// What a head that writes texts writes for each class (Prompts::labels, or their names), or for
// each number that it can write: T5's, in steps of 0.2 from the task's lowest to its highest score.
// Throws UserError for numbers without such limits.
std::vector<std::string> label_texts(const ModelSpec& spec);
// Those numbers; empty for classes.
std::vector<double> text_values(const ModelSpec& spec);
// The text's tokens and the closing one, as such a head reads them.
std::vector<int32_t> target_tokens(const std::string& text, const Tokenizer& tokenizer);
// The index of the value that is nearest. REQUIRES: there are values.
int64_t nearest_value(const std::vector<double>& values, double value);
// The longest sequence where the config names none.
int64_t longest_by_default(const HfConfig& config);

// Whether a lexical bias is added to any score: whether segments see each other in a layer, which
// must not be one that computes the example's first row alone, a special token's.
bool takes_lexical_bias(const ModelSpec& spec, const HfConfig& config);
// kPair or kStandalone. Throws UserError for pair if a layer is not of example scope.
SegmentFormat resolve_segment_format(SegmentFormat format, const Schedule& schedule);
// Resolves what a config leaves to the task and the model; config.model gets the values. Throws
// UserError.
ModelSpec resolve_spec(Config& config, const HfConfig& hf);

// Whether the folder has a lait.yaml, that is, is a checkpoint of lait-train.
bool has_spec(const std::filesystem::path& dir);
ModelSpec read_spec(const std::filesystem::path& dir);
// The text of lait.yaml.
std::string write_spec(const ModelSpec& spec);

// Throws UserError "expected …, got …" if a model with that spec cannot take the example: it has
// another number of segments than the task or the training data, the schedule needs groups, or the
// head would not see all segments.
void check_example(const Example& example, const ModelSpec& spec);
// The same for all examples; the message names the example.
void check_examples(std::span<const Example> examples, const ModelSpec& spec);

}  // namespace lait
