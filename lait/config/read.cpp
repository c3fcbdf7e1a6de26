// Reading: text ─► tree (yaml_tree) ─► values by name (field_values) ─► structs, by a visitor over
// fields.h.
#include "lait/config/read.h"

#include <algorithm>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"
#include "lait/base/shown_text.h"
#include "lait/config/field_reader.h"

namespace lait {
namespace {

// Pairs of keys that exclude each other.
constexpr std::pair<const char*, const char*> kExclusive[] = {
    {"model.schedule", "model.independent_layers"},
    {"training.steps", "training.epochs"},
    {"training.warmup_steps", "training.warmup"}};

bool given(const FieldValues& values, const char* name) {
  const auto found = values.find(name);
  return found != values.end() && found->second.node.kind != YamlNode::Kind::kNull;
}

// Applies the overrides to the file's values. An override of one key of an exclusive pair drops the
// file's value of the other.
FieldValues merge(FieldValues values, const FieldValues& overrides) {
  for (const auto& [a, b] : kExclusive) {
    if (given(overrides, a)) values.erase(b);
    if (given(overrides, b)) values.erase(a);
  }
  for (const auto& [name, value] : overrides) values.insert_or_assign(name, value);
  return values;
}

// What T5 was trained with (arXiv 1910.10683), where the config says nothing else.
void use_adafactors_defaults(TrainingConfig& training, const FieldValues& values) {
  const auto set = [&](const char* name, auto& value, auto standard) {
    if (!given(values, name)) value = standard;
  };
  set("training.learning_rate", training.learning_rate, 1e-3);
  set("training.schedule", training.schedule, LearningRateSchedule::kConstant);
  set("training.weight_decay", training.weight_decay, 0.0);
  set("training.max_grad_norm", training.max_grad_norm, 0.0);
  if (!given(values, "training.warmup_steps")) set("training.warmup", training.warmup, 0.0);
}

// Checks that need neither the model nor the data.
class ConflictCheck {
 public:
  ConflictCheck(const Config& config, const FieldValues& values, Problems& problems)
      : c_(config), values_(values), problems_(problems) {}

  void check(const Origin& file, const std::vector<std::string>& tasks) const {
    if (c_.task.empty()) missing("task", file);
    if (c_.model.path.empty()) missing("model.path", file);
    for (const auto& [a, b] : kExclusive) {
      if (given(values_, a) && given(values_, b))
        add(a, std::string("excludes ") + b + "; leave one of them out");
    }
    if (!c_.task.empty() && !tasks.empty() && std::ranges::find(tasks, c_.task) == tasks.end()) {
      std::string list;
      for (const std::string& task : tasks) list += (list.empty() ? "" : ", ") + task;
      add("task",
          "expected one of {" + list + "}, got " + shown(c_.task) + did_you_mean(c_.task, tasks));
    }
    if (c_.model.segment_format == SegmentFormat::kPair &&
        (!is_stock(c_.model.schedule) || c_.model.independent_layers.value_or(0) > 0)) {
      add("model.segment_format",
          "pair is the stock layout, for independent_layers: 0 only; use auto or standalone");
    }
    const std::string order = order_problem(c_.model.schedule);
    if (!order.empty()) add("model.schedule", order);
    if (c_.data.max_segment_tokens != 0 && c_.data.max_segment_tokens < kFewestTokens) {
      add("data.max_segment_tokens",
          "expected 0 (the model's limit) or at least " + std::to_string(kFewestTokens) +
              ", two of which are special, got " + std::to_string(c_.data.max_segment_tokens));
    }
    for (const char* name : {"training.beta1", "training.beta2", "training.epsilon"}) {
      if (c_.training.optimizer != OptimizerKind::kAdamW && given(values_, name))
        add(name, "is AdamW's, and training.optimizer is " + to_string(c_.training.optimizer) +
                      "; leave it out");
    }
    if (c_.model.lexical_bias == Switch::kOff &&
        given(values_, "training.lexical_bias_learning_rate")) {
      add("training.lexical_bias_learning_rate",
          "is that of model.lexical_bias, which is false; set it, or leave this out");
    }
    check_elastic();
    check_rates();
  }

 private:
  void check_elastic() const {
    constexpr const char* kName = "training.elastic_independent_layers";
    const LayerCounts& list = c_.training.elastic_independent_layers;
    const auto found = values_.find(kName);
    if (found == values_.end() || found->second.node.kind != YamlNode::Kind::kList) return;
    if (list.size() < 2)
      return add(kName,
                 "expected at least two numbers of layers; for one, model.independent_layers");
    for (size_t i = 0; i < list.size(); ++i) {
      if (std::ranges::count(list, list[i]) > 1)
        return add(kName, "expected each number once, got " + number_text(list[i]) + " twice");
    }
    if (c_.model.segment_format == SegmentFormat::kPair) {
      add("model.segment_format",
          "pair is the stock layout, and training.elastic_independent_layers needs segments of "
          "their own; use auto or standalone");
    }
    if (has_scope(c_.model.schedule, Scope::kGroup))
      add("model.schedule",
          std::string("a stage of scope group is of one P; leave it or ") + kName + " out");
    const bool has_schedule = !c_.model.schedule.empty();
    if (!has_schedule && !c_.model.independent_layers) return;
    const int64_t p = c_.model.independent_layers.value_or(independent_layers(c_.model.schedule));
    if (std::ranges::find(list, p) == list.end()) {
      add(has_schedule ? "model.schedule" : "model.independent_layers",
          "expected one of the numbers of training.elastic_independent_layers, got " +
              number_text(p) + "; prediction uses it");
    }
  }
  // Products that training computes in float. The second factor has been given, since its default
  // leaves the product as small as the first.
  void check_rates() const {
    const TrainingConfig& t = c_.training;
    const double rate = t.learning_rate, head_rate = rate * t.head_learning_rate_factor,
                 decay = std::max(rate, head_rate) * t.weight_decay;
    const auto refuse = [&](const std::string& name, const std::string& with, double product) {
      add(name, "times " + with + " is " + number_text(static_cast<float>(product)) +
                    " in float, in which it is computed (float holds " + float_range() +
                    "); choose other values");
    };
    if (rate > 0 && t.head_learning_rate_factor > 0 && !fits_float(head_rate, {.above = 0})) {
      refuse("training.head_learning_rate_factor", "learning_rate", head_rate);
    } else if (decay > std::numeric_limits<float>::max()) {
      refuse("training.weight_decay", "the learning rate", decay);
    }
  }
  void add(const std::string& name, const std::string& what) const {
    const FieldValue& value = values_.at(name);
    problems_.add(value.origin, value.line, name + ": " + what);
  }
  void missing(const std::string& name, const Origin& file) const {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      problems_.add(file, 0, "the key " + name + " is missing");
    } else if (found->second.node.kind == YamlNode::Kind::kNull &&
               found->second.origin.override_number > 0) {
      add(name, "expected a name, since it has no default");
    } else if (found->second.node.is_scalar()) {
      add(name, "expected a name, got an empty text");
    }
  }

  const Config& c_;
  const FieldValues& values_;
  Problems& problems_;
};

Config read_tree(const YamlNode& root, const Origin& file, const std::vector<Override>& overrides,
                 const std::vector<std::string>& tasks) {
  Problems problems;
  const FieldCollector collector(problems);
  const FieldValues from_file = collector.from_config(root, file);
  const FieldValues values = merge(from_file, collector.from_overrides(overrides));
  Config config;
  FieldReader reader(values, problems);
  visit_fields(config, reader);
  if (config.training.optimizer == OptimizerKind::kAdafactor)
    use_adafactors_defaults(config.training, values);
  ConflictCheck(config, values, problems).check(file, tasks);
  problems.throw_if_any();
  return config;
}

}  // namespace

Config parse_config(const std::string& text, const std::string& name,
                    const std::vector<Override>& overrides, const std::vector<std::string>& tasks) {
  const Origin file{name};
  return read_tree(parse_yaml(text, file), file, overrides, tasks);
}

Config parse_config(const YamlNode& root, const std::string& name) {
  return read_tree(root, Origin{name}, {}, {});
}

Config read_config(const std::filesystem::path& file, const std::vector<Override>& overrides,
                   const std::vector<std::string>& tasks) {
  return parse_config(read_file(file), file.string(), overrides, tasks);
}

Override text_override(const std::string& option, const std::string& key, const std::string& text) {
  if (!is_utf8(text)) throw UserError(option + ": expected text in UTF-8, got " + quote(text));
  return {key + "=" + escape_variables(text), option};
}

}  // namespace lait
