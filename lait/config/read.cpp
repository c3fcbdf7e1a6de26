#include "lait/config/read.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "lait/config/fields.h"
#include "lait/error.h"
#include "lait/files.h"

namespace lait {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

// A value with the place it comes from: "file:12" or "--set key=value".
struct Value {
  YAML::Node node;
  std::string where;
};

// All that is wrong with a config, in the order of the lines.
class Problems {
 public:
  void add(const std::string& where, const std::string& what) { lines_.push_back(where + ": " + what); }
  void throw_if_any() const {
    if (lines_.empty()) return;
    std::string text;
    for (const std::string& line : lines_) text += (text.empty() ? "" : "\n") + line;
    throw UserError(text);
  }

 private:
  std::vector<std::string> lines_;
};

std::string describe(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar: {
      std::string text = node.Scalar().substr(0, 60);
      return "'" + text + (node.Scalar().size() > 60 ? "…" : "") + "'";
    }
    case YAML::NodeType::Sequence: return "a list";
    case YAML::NodeType::Map: return "a mapping";
    default: return "nothing";
  }
}

template <class T>
std::optional<T> parse_number(const std::string& text) {
  T value{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::string number_text(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return error == std::errc() ? std::string(buffer, end) : "?";
}

std::string range_text(const Limits& l) {
  std::string text;
  if (std::isfinite(l.min)) text += " of at least " + number_text(l.min);
  if (std::isfinite(l.below)) return text + " and below " + number_text(l.below);
  if (std::isfinite(l.max)) text += " and at most " + number_text(l.max);
  return text;
}

bool within(double value, const Limits& l) { return value >= l.min && value <= l.max && value < l.below; }

// The visitor that fills a config from the values found.
class Reader {
 public:
  Reader(std::map<std::string, Value>& values, Problems& problems) : values_(values), problems_(problems) {}

  template <class T>
  void field(const char* name, T& target, const Limits& limits, const char*) {
    const auto found = values_.find(name);
    if (found == values_.end()) return;
    read(name, found->second, target, limits);
  }

 private:
  void wrong(const char* name, const Value& value, const std::string& expected, const std::string& hint = "") {
    problems_.add(value.where, std::string(name) + ": expected " + expected + ", got " + describe(value.node) + hint);
  }

  bool is_scalar(const Value& value) const { return value.node.IsScalar(); }
  // A plain scalar: not quoted, so "3" in quotes is no number.
  bool is_plain(const Value& value) const { return value.node.IsScalar() && value.node.Tag() != "!"; }

  template <class T>
  void read(const char* name, const Value& value, std::optional<T>& target, const Limits& limits) {
    if (value.node.IsNull()) return;
    T inner{};
    read(name, value, inner, limits);
    target = inner;
  }

  void read(const char* name, const Value& value, std::string& target, const Limits&) {
    if (!is_scalar(value)) return wrong(name, value, "text");
    target = expand(name, value, value.node.Scalar());
  }

  template <class T>
    requires std::is_integral_v<T>
  void read(const char* name, const Value& value, T& target, const Limits& limits) {
    const auto number = is_plain(value) ? parse_number<T>(value.node.Scalar()) : std::nullopt;
    if (!number || !within(static_cast<double>(*number), limits)) return wrong(name, value, "a whole number" + range_text(limits));
    target = *number;
  }

  void read(const char* name, const Value& value, double& target, const Limits& limits) {
    const auto number = is_plain(value) ? parse_number<double>(value.node.Scalar()) : std::nullopt;
    if (!number || !std::isfinite(*number) || !within(*number, limits)) return wrong(name, value, "a number" + range_text(limits));
    target = *number;
  }

  template <class E>
    requires std::is_enum_v<E>
  void read(const char* name, const Value& value, E& target, const Limits&) {
    std::vector<std::string> names;
    for (const auto& [text, v] : names_of<E>()) {
      names.push_back(text);
      if (is_scalar(value) && value.node.Scalar() == text) {
        target = v;
        return;
      }
    }
    std::string list;
    for (const std::string& text : names) list += (list.empty() ? "" : ", ") + text;
    wrong(name, value, "one of {" + list + "}", is_scalar(value) ? did_you_mean(value.node.Scalar(), names) : "");
  }

  void read(const char* name, const Value& value, DataFiles& target, const Limits&) {
    target.clear();
    if (value.node.IsNull()) return;
    if (is_scalar(value)) {
      target.push_back(expand(name, value, value.node.Scalar()));
      return;
    }
    if (!value.node.IsSequence()) return wrong(name, value, "a file or a list of files");
    for (const auto& entry : value.node) {
      if (!entry.IsScalar()) return wrong(name, value, "a list of file names");
      target.push_back(expand(name, value, entry.Scalar()));
    }
  }

  void read(const char* name, const Value& value, std::vector<Stage>& target, const Limits&) {
    target.clear();
    if (value.node.IsNull()) return;
    const std::string expected = "a list of stages {num_layers: N, scope: segment|group|example}";
    if (!value.node.IsSequence() || value.node.size() == 0) return wrong(name, value, expected);
    for (const auto& entry : value.node) {
      Stage stage;
      if (!entry.IsMap() || entry.size() != 2 || !entry["num_layers"] || !entry["scope"]) return wrong(name, {entry, value.where}, expected);
      const Value layers{entry["num_layers"], value.where}, scope{entry["scope"], value.where};
      read("model.schedule.num_layers", layers, stage.num_layers, Limits{1, 256});
      read("model.schedule.scope", scope, stage.scope, Limits{});
      target.push_back(stage);
    }
  }

  // ${VAR} by the environment's value; $${ is a literal ${.
  std::string expand(const char* name, const Value& value, const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size();) {
      if (text.compare(i, 3, "$${") == 0) {
        out += "${";
        i += 3;
      } else if (text.compare(i, 2, "${") == 0) {
        const size_t end = text.find('}', i);
        const std::string variable = end == std::string::npos ? "" : text.substr(i + 2, end - i - 2);
        const char* found = variable.empty() ? nullptr : std::getenv(variable.c_str());
        if (found == nullptr) {
          problems_.add(value.where, std::string(name) + ": the environment variable in '" + text + "' is not set" +
                                         (end == std::string::npos ? " (no closing brace)" : "; set " + variable));
          return text;
        }
        out += found;
        i = end + 1;
      } else {
        out += text[i++];
      }
    }
    return out;
  }

  std::map<std::string, Value>& values_;
  Problems& problems_;
};

struct Names {
  std::vector<std::string> all;
  template <class T>
  void field(const char* name, T&, const Limits&, const char*) {
    all.emplace_back(name);
  }
};

std::vector<std::string> field_names() {
  Config config;
  Names names;
  visit_fields(config, names);
  return names.all;
}

YAML::Node parse_yaml(const std::string& text, const std::string& where) {
  if (text.size() > kMaxBytes) throw UserError(where + ": expected a config of at most 1 MiB, got " + std::to_string(text.size()) + " bytes");
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw UserError(where + (error.mark.is_null() ? "" : ":" + std::to_string(error.mark.line + 1)) + ": not valid YAML: " + error.msg +
                    (text.find('\t') != std::string::npos ? " (YAML does not indent with tabs)" : ""));
  }
}

// The leaves by dotted name. Sections are the parts of the known names before a dot.
class Flattener {
 public:
  Flattener(const std::vector<std::string>& known, Problems& problems) : known_(known), problems_(problems) {
    for (const std::string& name : known) {
      for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) sections_.insert(name.substr(0, dot));
    }
  }

  void add(const YAML::Node& map, const std::string& prefix, const std::string& file, std::map<std::string, Value>& out) {
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string where = file + ":" + std::to_string(entry.first.Mark().line + 1);
      if (!entry.first.IsScalar()) {
        problems_.add(where, "expected a key, got " + describe(entry.first));
        continue;
      }
      const std::string name = prefix + entry.first.Scalar();
      if (!seen.insert(name).second) problems_.add(where, "the key " + name + " stands twice");
      if (sections_.contains(name)) {
        if (entry.second.IsMap()) {
          add(entry.second, name + ".", file, out);
        } else if (!entry.second.IsNull()) {
          problems_.add(where, name + ": expected a mapping of keys, got " + describe(entry.second));
        }
      } else {
        put(name, {entry.second, where}, out);
      }
    }
  }

  void put(const std::string& name, const Value& value, std::map<std::string, Value>& out) {
    if (std::ranges::find(known_, name) == known_.end()) {
      problems_.add(value.where, "unknown key " + name.substr(0, 100) + suggestion(name));
    } else {
      out.insert_or_assign(name, value);
    }
  }

 private:
  // The nearest key; a key of the right name in another section counts, too.
  std::string suggestion(const std::string& name) const {
    std::vector<std::string> candidates = known_;
    candidates.insert(candidates.end(), sections_.begin(), sections_.end());
    const std::string last = name.substr(name.rfind('.') + 1);
    for (const std::string& known : known_) {
      if (known.ends_with("." + last)) return " (did you mean " + known + "?)";
    }
    return did_you_mean(name, candidates);
  }

  const std::vector<std::string>& known_;
  Problems& problems_;
  std::set<std::string> sections_;
};

// What is impossible whatever the model and the data.
void check_conflicts(const Config& c, const std::map<std::string, Value>& values, const std::vector<std::string>& tasks, Problems& problems) {
  auto where = [&](const char* name) { return values.at(name).where; };
  if (c.model.independent_layers && !c.model.schedule.empty()) {
    problems.add(where("model.schedule"), "model.schedule and model.independent_layers exclude each other; leave one out");
  }
  if (c.training.epochs && c.training.steps) {
    problems.add(where("training.steps"), "training.steps and training.epochs exclude each other; leave one out");
  }
  if (c.model.segment_format == SegmentFormat::kPair && c.model.independent_layers.value_or(0) > 0) {
    problems.add(where("model.segment_format"), "model.segment_format: pair is the stock layout, for independent_layers 0 only; use auto or standalone");
  }
  if (!c.task.empty() && !tasks.empty() && std::ranges::find(tasks, c.task) == tasks.end()) {
    std::string list;
    for (const std::string& task : tasks) list += (list.empty() ? "" : ", ") + task;
    problems.add(where("task"), "task: expected one of {" + list + "}, got '" + c.task.substr(0, 60) + "'" + did_you_mean(c.task, tasks));
  }
}

}  // namespace

Config parse_config(const std::string& text, const std::string& name, const std::vector<std::string>& overrides, const std::vector<std::string>& tasks) {
  const std::vector<std::string> known = field_names();
  Problems problems;
  Flattener flattener(known, problems);
  std::map<std::string, Value> values;
  const YAML::Node root = parse_yaml(text, name);
  if (!root.IsMap() && !root.IsNull()) throw UserError(name + ": expected a mapping of keys (task, model, data, training, output), got " + describe(root));
  flattener.add(root, "", name, values);
  for (const std::string& override_text : overrides) {
    const size_t equals = override_text.find('=');
    const std::string where = "--set " + override_text;
    if (equals == std::string::npos || equals == 0) {
      problems.add(where, "expected key=value");
      continue;
    }
    const std::string key = override_text.substr(0, equals);
    flattener.put(key, {parse_yaml(override_text.substr(equals + 1), where), where}, values);
    // One of two that exclude each other takes the other's place.
    for (const auto& [a, b] : {std::pair{"model.schedule", "model.independent_layers"}, {"training.steps", "training.epochs"}}) {
      if (key == a) values.erase(b);
      if (key == b) values.erase(a);
    }
  }
  Config config;
  Reader reader(values, problems);
  visit_fields(config, reader);
  if (!values.contains("task")) problems.add(name, "the key task is missing");
  if (!values.contains("model.path")) problems.add(name, "the key model.path is missing");
  check_conflicts(config, values, tasks, problems);
  problems.throw_if_any();
  return config;
}

Config read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides, const std::vector<std::string>& tasks) {
  return parse_config(read_file(file), file.string(), overrides, tasks);
}

std::vector<Stage> resolve_schedule(const ModelConfig& model, int64_t num_layers) {
  if (model.schedule.empty()) {
    const int64_t independent = model.independent_layers.value_or(0);
    if (independent > num_layers) {
      throw UserError("model.independent_layers: expected at most " + std::to_string(num_layers) + ", the model's layers, got " + std::to_string(independent));
    }
    std::vector<Stage> stages;
    if (independent > 0) stages.push_back({independent, Scope::kSegment});
    if (independent < num_layers) stages.push_back({num_layers - independent, Scope::kExample});
    return stages;
  }
  int64_t total = 0;
  for (size_t s = 0; s < model.schedule.size(); ++s) {
    total += model.schedule[s].num_layers;
    if (s > 0 && model.schedule[s].scope < model.schedule[s - 1].scope) {
      throw UserError("model.schedule: scopes may only widen (segment, group, example), got " + to_string(model.schedule[s].scope) + " after " +
                      to_string(model.schedule[s - 1].scope));
    }
  }
  if (total != num_layers) {
    throw UserError("model.schedule: expected stages of " + std::to_string(num_layers) + " layers together, the model's, got " + std::to_string(total));
  }
  return model.schedule;
}

SegmentFormat resolve_segment_format(const ModelConfig& model, const std::vector<Stage>& stages) {
  const bool stock = std::ranges::all_of(stages, [](const Stage& s) { return s.scope == Scope::kExample; });
  if (model.segment_format == SegmentFormat::kPair && !stock) {
    throw UserError("model.segment_format: pair is the stock layout, for independent_layers 0 only; use auto or standalone");
  }
  if (model.segment_format == SegmentFormat::kAuto) return stock ? SegmentFormat::kPair : SegmentFormat::kStandalone;
  return model.segment_format;
}

}  // namespace lait
