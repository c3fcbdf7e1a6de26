// The inputs of a run, read and checked before anything is written: task, data sets, tokenizer,
// model.
#pragma once
#include <cstring>
#include <memory>
#include <optional>

#include "lait/config/config.h"
#include "lait/data/dataset.h"
#include "lait/data/example_reader.h"
#include "lait/data/task.h"
#include "lait/model/frozen.h"
#include "lait/model/spec.h"
#include "train/token_cache.h"

namespace lait {

struct Split {
  const char* key;  // "data.train"
  ReadCounts counts{};
  std::optional<Dataset> dataset{};

  // "train"
  std::string name() const { return std::string(key).substr(std::strlen("data.")); }
  bool is_train() const { return name() == "train"; }
};

// The teacher of training.distill, and the training data's examples: with labels, then without.
struct Distilled {
  std::filesystem::path dir;  // of the teacher's checkpoint
  ModelSpec spec;             // its
  // In the data set, in this order.
  int64_t labelled = 0, recombined = 0, unlabelled = 0;
};

struct RunInputs {
  Config config;  // resolved: with head, schedule and format
  const Task* task = nullptr;
  std::vector<std::string> metrics;  // the first selects the best checkpoint
  std::filesystem::path model_dir;
  HfConfig hf_config;
  std::shared_ptr<const Tokenizer> tokenizer;
  ModelSpec spec;
  FrozenParts frozen;
  std::optional<Distilled> distilled;
  // What a user should know before the run starts.
  std::vector<std::string> warnings;
  Split train{"data.train"}, validation{"data.validation"}, test{"data.test"};
};

// The splits that have data, with their names.
std::vector<std::pair<std::string, const Split*>> splits(const RunInputs& in);
// "train: 4500 examples, 8000 distinct sequences, 3 of 4500 examples truncated"
std::string describe(const std::string& name, const Split& split);
// "distilled from runs/p0: weight 0.7, temperature 2; 4500 examples with labels, 900 recombined, …"
std::string describe(const Distilled& distilled, const DistillConfig& config);
// The classes with their counts in the training data, see counts_of.
std::string train_labels(const RunInputs& in);

// Resolves what needs no data and no tokenizer: task, model, schedule. Throws UserError for
// impossible values.
RunInputs resolve_inputs(const Config& config);
// Reads everything; data that is in the cache, from there. Throws UserError for anything that is
// wrong with the config's files, model or data.
RunInputs read_inputs(const Config& config, TokenCache& cache);
// The same without a cache: everything is read, into memory.
RunInputs read_inputs(const Config& config);

}  // namespace lait
