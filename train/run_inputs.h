// The inputs of a run, read and checked before anything is written: task, data sets, tokenizer,
// model.
#pragma once
#include <memory>
#include <optional>

#include "lait/config/config.h"
#include "lait/data/dataset.h"
#include "lait/data/example_reader.h"
#include "lait/data/task.h"
#include "lait/model/frozen.h"
#include "lait/model/model.h"
#include "lait/model/spec.h"

namespace lait {

struct Split {
  const char* key;  // "data.train"
  LabelledData data{};
  std::optional<Dataset> dataset{};
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
  // By class; empty: all have 1.
  std::vector<double> class_weights;
  // What a user should know before the run starts.
  std::vector<std::string> warnings;
  Split train{"data.train"}, validation{"data.validation"}, test{"data.test"};
};

// The splits that have data, with their names.
std::vector<std::pair<std::string, const Split*>> splits(const RunInputs& in);
// "train: 4500 examples, 8000 distinct sequences, 3 of 4500 examples truncated"
std::string describe(const std::string& name, const Split& split);

// Resolves what needs no data and no tokenizer: task, model, schedule. Throws UserError for
// impossible values.
RunInputs resolve_inputs(const Config& config);
// Reads everything. Throws UserError for anything that is wrong with the config's files, model or
// data.
RunInputs read_inputs(const Config& config);
// The model as the run begins with it: pretrained weights, and everything of `in` that training
// sets in it. Also sets the process's precision of fp32 products on GPUs.
Model load_model(const RunInputs& in, at::ScalarType compute_dtype);

}  // namespace lait
