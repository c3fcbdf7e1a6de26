#include "train/run_report.h"

#include <ATen/Parallel.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "eval/class_report.h"
#include "eval/intervals.h"
#include "lait/base/available_cpus.h"
#include "lait/base/this_process.h"
#include "lait/config/write.h"
#include "lait/config/yaml_tree.h"
#include "lait/model/device.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(std::string scalar) {
  for (size_t at = 0; (at = scalar.find("$${", at)) != scalar.npos; ++at) scalar.erase(at, 1);
  return scalar;
}

Json to_json(const YamlNode& node) {
  Json out;
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return out;
    case YamlNode::Kind::kScalar:
      out = node.plain ? Json::parse(node.scalar, nullptr, /*allow_exceptions=*/false) : Json();
      return out.is_number() || out.is_boolean() ? out : Json(text_of(node.scalar));
    case YamlNode::Kind::kList:
      out = Json::array();
      for (const YamlNode& item : node.items) out.push_back(to_json(item));
      return out;
    case YamlNode::Kind::kMap:
      out = Json::object();
      for (size_t i = 0; i + 1 < node.items.size(); i += 2)
        out[text_of(node.items[i].scalar)] = to_json(node.items[i + 1]);
      return out;
  }
  return out;
}

}  // namespace

Json score(const RunInputs& in, const std::vector<Outcome>& outcomes) {
  Json out{{"examples", outcomes.size()}};
  for (const std::string& name : in.metrics) {
    const Interval result = metric_interval(find_metric(name), outcomes);
    out["metrics"][name] = {{"value", result.value}, {"low", result.low}, {"high", result.high}};
  }
  if (!in.spec.labels.empty()) add_classes(out, class_report(in.spec.labels, outcomes));
  return out;
}

Json truncated(const RunInputs& in) {
  Json out;
  for (const auto& [name, split] : splits(in)) out[name] = split->dataset->num_truncated();
  return out;
}

Json distillation_json(const RunInputs& in) {
  const DistillConfig& config = in.config.training.distill;
  Json out{{"teacher", in.distilled->dir.string()}, {"weight", config.weight}};
  if (config.temperature) out["temperature"] = *config.temperature;
  out["examples"] = {{"labelled", in.distilled->labelled},
                     {"recombined", in.distilled->recombined},
                     {"unlabelled", in.distilled->unlabelled}};
  return out;
}

Json config_json(const Config& config) {
  return to_json(parse_yaml(write_config(config), {.name = "the config"}));
}

Json machine_json(at::Device device, int ranks) {
  Json out{{"host", host_name()},      {"cpu", cpu_name()},
           {"cpus", available_cpus()}, {"threads", at::get_num_threads()},
           {"ranks", ranks},           {"device", device.str()}};
  if (device.is_cuda()) out["gpu"] = gpu_name();
  return out;
}

Json training_speed(const std::vector<Json>& metrics_lines) {
  double seconds = 0, examples = 0;
  for (const Json& line : metrics_lines) {
    if (!line.contains("seconds") || !line["seconds"].is_number() ||
        !line.contains("examples_per_s") || !line["examples_per_s"].is_number())
      continue;
    seconds += line["seconds"].get<double>();
    examples += line["seconds"].get<double>() * line["examples_per_s"].get<double>();
  }
  Json out{{"seconds", seconds}, {"examples_per_s", nullptr}};
  if (seconds > 0) out["examples_per_s"] = examples / seconds;
  return out;
}

std::string utc_time(double unix_seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

}  // namespace lait
