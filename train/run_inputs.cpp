#include "train/run_inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <unordered_set>

#include "eval/metrics.h"
#include "lait/base/error.h"
#include "lait/base/program.h"
#include "lait/config/read.h"
#include "lait/data/example_reader.h"
#include "lait/data/labels.h"
#include "lait/model/checkpoint.h"
#include "lait/model/head.h"
#include "lait/predict/frozen_plan.h"
#include "lait/text/tokenizer.h"
#include "train/read_split.h"
#include "train/teacher.h"

namespace lait {
namespace {

// How to get a task's data: a command, or the head of the task's shipped config.
std::string way_to_data(const Task& task, const std::string& file) {
  std::error_code error;
  if (std::filesystem::exists(file + ".gz", error))
    return file + ".gz exists and can be read too: give its name";
  if (task.name() == "wordnet") {
    const std::string folder = std::filesystem::path(file).parent_path().string();
    return "make it with: lait-data wordnet --output " +
           shell_words({folder.empty() ? "." : folder});
  }
  for (const ShippedConfig& config : list_configs()) {
    const std::string split = task.name() + "_split";
    if (config.name.starts_with(split) && std::isdigit(config.name[split.size()]) != 0)
      return "how to get it: head " + shell_words({find_config(config.name).string()});
  }
  return "check the path, which is relative to " + std::filesystem::current_path().string();
}

void check_files(const Task& task, const std::string& key, const DataFiles& files) {
  for (const std::string& file : files) {
    std::error_code error;
    if (!std::filesystem::exists(file, error) && !error) {
      throw UserError(fmt::format("{}: {}: no such file{}; {}", key, file, tilde_hint(file),
                                  way_to_data(task, file)));
    }
    if (std::filesystem::is_directory(file, error) && key != "data.wiki_pages" && !task.open(file))
      throw UserError(fmt::format("{}: {}: expected a file, got a folder", key, file));
  }
}

// Whether each example's texts are among the training data's.
bool is_training_data(const Dataset& examples, const Dataset& train) {
  std::unordered_set<uint64_t> missing;
  for (int64_t i = 0; i < examples.size(); ++i) missing.insert(examples.text_hash(i));
  for (int64_t i = 0; i < train.size() && !missing.empty(); ++i) missing.erase(train.text_hash(i));
  return missing.empty();
}

}  // namespace

std::vector<std::pair<std::string, const Split*>> splits(const RunInputs& in) {
  std::vector<std::pair<std::string, const Split*>> out;
  for (const auto& [name, split] :
       {std::pair{"train", &in.train}, {"validation", &in.validation}, {"test", &in.test}}) {
    if (split->dataset) out.emplace_back(name, split);
  }
  return out;
}

std::string train_labels(const RunInputs& in) {
  const std::vector<std::string>& labels = in.spec.labels;
  return counts_of(in.train.dataset->class_counts(labels.size()), labels, labels);
}

std::string describe(const Distilled& distilled, const DistillConfig& config) {
  return fmt::format(
      "distilled from {}: weight {}{}; {} examples with labels, {} recombined, {} from "
      "training.distill.data",
      config.teacher, config.weight,
      config.temperature ? fmt::format(", temperature {}", *config.temperature) : "",
      distilled.labelled, distilled.recombined, distilled.unlabelled);
}

std::string describe(const std::string& name, const Split& split) {
  std::string text = fmt::format("{}: {} examples, {} distinct sequences", name,
                                 split.dataset->size(), split.dataset->num_sequences());
  if (split.dataset->has_windows())
    text +=
        fmt::format(", windows of the passages of {} questions", split.dataset->num_questions());
  text += left_out(split.counts);
  if (split.dataset->num_truncated() > 0)
    text += fmt::format(", {} of {} examples truncated", split.dataset->num_truncated(),
                        split.dataset->size());
  return text;
}

namespace {

// The values of keys that the config leaves out: the pretrained model's, and ours.
void resolve_defaults(Config& config, const HfConfig& hf) {
  ModelConfig& model = config.model;
  if (!model.hidden_dropout) model.hidden_dropout = hf.hidden_dropout_prob;
  if (!model.attention_dropout) model.attention_dropout = hf.attention_probs_dropout_prob;
  if (!model.classifier_dropout)
    model.classifier_dropout = hf.classifier_dropout.value_or(*model.hidden_dropout);
  TrainingConfig& training = config.training;
  if (!training.epochs && !training.steps) training.epochs = kDefaultEpochs;
  if (!training.warmup && !training.warmup_steps) training.warmup = kDefaultWarmup;
  if (model.lexical_bias == Switch::kOn && !training.lexical_bias_learning_rate)
    training.lexical_bias_learning_rate = kDefaultLexicalBiasLearningRate;
  if (training.optimizer != OptimizerKind::kAdamW) return;
  training.beta1 = training.beta1.value_or(kDefaultBeta1);
  training.beta2 = training.beta2.value_or(kDefaultBeta2);
  training.epsilon = training.epsilon.value_or(kDefaultEpsilon);
}

void check_cache(const RunInputs& in) {
  const CacheConfig& cache = in.config.cache;
  if (const CacheConfig none; cache.dir.empty() && cache != none) {
    throw UserError(
        "cache.dir: expected the folder of a store, got none; give one, or leave out "
        "cache.exact and cache.max_bytes");
  }
  if (cache.dir.empty()) return;
  if (!in.spec.elastic.empty()) {
    throw UserError(
        "cache.dir: expected one P, up to which layers are frozen, got "
        "training.elastic_independent_layers; leave one of them out");
  }
  if (cache.dir.starts_with('~'))
    throw UserError("cache.dir: " + cache.dir + ": expected a folder" + tilde_hint(cache.dir));
  check_frozen_for_store(in.spec.schedule, in.spec.format, in.frozen,
                         in.hf_config.num_hidden_layers);
}

}  // namespace

RunInputs resolve_inputs(const Config& config) {
  if (config.output.dir.starts_with('~'))
    throw UserError("output.dir: " + config.output.dir + ": expected a folder" +
                    tilde_hint(config.output.dir));
  RunInputs in;
  in.config = config;
  in.task = &find_task(config.task);
  in.model_dir = find_model(config.model.path);
  in.hf_config = read_hf_config(in.model_dir);

  in.spec = resolve_spec(in.config, in.hf_config);
  resolve_defaults(in.config, in.hf_config);
  if (!in.spec.elastic.empty() &&
      std::ranges::find(config.training.freeze, "independent") != config.training.freeze.end()) {
    throw UserError(
        "training.freeze: independent: expected layers by their numbers where "
        "training.elastic_independent_layers has several P; use e.g. layers 0-2");
  }
  in.frozen =
      resolve_frozen(config.training.freeze, in.spec.schedule, in.hf_config.num_hidden_layers);
  check_cache(in);
  const bool class_loss = find_head(in.spec.head).has_class_loss;
  in.metrics = metrics_of(*in.task, in.spec.label_kind());
  const std::string& select_by = config.training.select_by;
  if (!select_by.empty() && std::ranges::find(in.metrics, select_by) == in.metrics.end()) {
    throw UserError(fmt::format("training.select_by: expected one of {{{}}}, got '{}'",
                                fmt::join(in.metrics, ", "), select_by));
  }
  if (config.training.early_stopping.patience && config.data.validation.empty()) {
    throw UserError(
        "training.early_stopping.patience: expected data.validation, whose metric it watches, got "
        "none; name the files, or leave it out");
  }
  if (!class_loss && config.training.label_smoothing > 0) {
    throw UserError(
        "training.label_smoothing: expected a head with classes, got another; leave it out");
  }
  if (const LoraConfig none; !config.training.lora.rank && config.training.lora != none) {
    throw UserError(
        "training.lora.rank: expected the adapters' rank, got none; give one, or leave out "
        "training.lora");
  }
  if (config.training.lora.targets.empty())
    throw UserError("training.lora.targets: expected names of modules, got none");
  if (!class_loss && config.training.class_weights) {
    throw UserError(
        "training.class_weights: expected a head with classes, got another; leave it out");
  }
  in.distilled = resolve_teacher(in);
  return in;
}

RunInputs read_inputs(const Config& config, TokenCache& cache) {
  RunInputs in = resolve_inputs(config);
  if (config.data.train.empty())
    throw UserError(fmt::format("data.train: expected the training data ({})", in.task->formats()));
  // The training data first: the others take labels and number of segments from it.
  Split* const splits[] = {&in.train, &in.validation, &in.test};
  const DataFiles* const files[] = {&config.data.train, &config.data.validation, &config.data.test};
  for (size_t s = 0; s < std::size(splits); ++s) check_files(*in.task, splits[s]->key, *files[s]);
  for (const auto& [key, texts] : in.spec.reading.text_files) check_files(*in.task, key, texts);
  check_files(*in.task, "training.distill.data", config.training.distill.data);
  in.tokenizer = load_tokenizer(in.model_dir);
  check_fits(in.model_dir, *in.tokenizer, in.hf_config);
  for (size_t s = 0; s < std::size(splits); ++s) {
    read_split(in, *splits[s], *files[s], cache);
    if (!splits[s]->is_train()) continue;
    if (in.spec.label_kind() == LabelKind::kClass && in.spec.labels.size() < 2) {
      throw UserError(fmt::format("data.train: expected at least two different labels, got {}",
                                  in.spec.labels.size()));
    }
    if (in.distilled) check_teacher_labels(in);
  }
  in.config.data.num_segments = in.spec.num_segments;
  if (in.train.dataset->has_windows() && !in.validation.dataset) {
    in.warnings.emplace_back(
        "data.validation: none, so the threshold by which a question has no answer stays 0");
  }
  for (const Split* split : {&in.validation, &in.test}) {
    if (split->dataset && is_training_data(*split->dataset, *in.train.dataset)) {
      in.warnings.push_back(fmt::format(
          "{}: all its examples are in the training data too, so its metrics say nothing about "
          "new texts",
          split->key));
    }
  }
  return in;
}

RunInputs read_inputs(const Config& config) {
  TokenCache none;
  return read_inputs(config, none);
}

}  // namespace lait
