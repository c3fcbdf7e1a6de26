// The report's files for programs: report.json and report.csv.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eval/class_report.h"
#include "eval/report.h"
#include "lait/base/shown_text.h"
#include "lait/config/enum_names.h"

namespace lait {

nlohmann::ordered_json report_json(std::span<const Evaluation> rows) {
  using Json = nlohmann::ordered_json;
  auto intervals = [](const std::vector<NamedInterval>& metrics) {
    Json json = Json::object();
    for (const NamedInterval& m : metrics) {
      json[m.metric] = {
          {"value", m.interval.value}, {"low", m.interval.low}, {"high", m.interval.high}};
    }
    return json;
  };
  Json out = Json::array();
  for (const Evaluation& row : rows) {
    Json schedule = Json::array();
    for (const auto& stage : row.schedule) {
      if (stage.num_layers > 0)
        schedule.push_back({{"num_layers", stage.num_layers},
                            {"scope", to_string(stage.scope)},
                            {"updates", to_string(stage.updates)}});
    }
    Json json{{"checkpoint", row.names.checkpoint},
              {"task", row.names.task},
              {"split", row.names.split},
              {"files", row.names.files},
              {"independent_layers", row.independent_layers},
              {"schedule", schedule},
              {"segment_format", row.segment_format},
              {"pooling", row.pooling},
              {"precision", row.precision},
              {"metrics", intervals(row.metrics)}};
    if (row.difference_to_p0) {
      json["difference_to_p0"] = {{"checkpoint", row.difference_to_p0->reference},
                                  {"metrics", intervals(row.difference_to_p0->metrics)}};
    }
    if (row.names.seed) json["seed"] = *row.names.seed;
    if (!row.seeds.empty()) json["seeds"] = row.seeds;
    json["examples"] = row.examples;
    if (!row.labels.empty()) add_classes(json, class_report(row.labels, row.outcomes));
    json["sequences"] = row.sequences;
    json["truncated_examples"] = row.truncated_examples;
    for (const FlopKind& kind : kFlopKinds) {
      const double full = row.flops.full.*kind.member, lait = row.flops.lait.*kind.member,
                   cached = row.flops.lait_cached.*kind.member;
      json["flops"][kind.name] = {{"full", full}, {"lait", lait}, {"lait_cached", cached}};
      json["ratio_to_full"][kind.name] = {{"lait", flop_share(lait, full)},
                                          {"lait_cached", flop_share(cached, full)}};
    }
    if (row.decoder_flops.total() > 0) {
      for (const DecoderFlopKind& kind : kDecoderFlopKinds)
        json["decoder_flops"][kind.name] = row.decoder_flops.*kind.member;
    }
    for (const ValueTypeEffect& effect : row.value_types) {
      json["value_types"].push_back({{"type", effect.type},
                                     {"bytes_per_token", effect.bytes_per_token},
                                     {"metrics", intervals(effect.metrics)},
                                     {"differences", intervals(effect.differences)},
                                     {"largest_logit_change", effect.largest_logit_change},
                                     {"changed_labels", effect.changed_labels}});
    }
    json["flops_definition"] = kFlopsDefinition;
    json["examples_per_s"] = row.examples_per_s;
    out.push_back(std::move(json));
  }
  return out;
}

std::string report_csv(std::span<const Evaluation> rows) {
  std::string out =
      "checkpoint,task,split,files,independent_layers,segment_format,pooling,precision,metric,"
      "value,low,high,difference_to_p0,difference_low,difference_high,reference,examples,"
      "truncated_examples";
  for (const FlopKind& kind : kFlopKinds) {
    for (const char* part : {"full", "lait", "lait_cached"})
      out += fmt::format(",{}_{}", kind.name, part);
  }
  const bool decoder = std::ranges::any_of(
      rows, [](const Evaluation& row) { return row.decoder_flops.total() > 0; });
  if (decoder) {
    for (const DecoderFlopKind& kind : kDecoderFlopKinds)
      out += fmt::format(",{}_of_decoder", kind.name);
  }
  out += ",examples_per_s\n";
  auto quoted = [](const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string cell = "\"";
    for (char c : text) cell += c == '"' ? "\"\"" : std::string(1, c);
    return cell + "\"";
  };
  for (const Evaluation& row : rows) {
    for (size_t m = 0; m < row.metrics.size(); ++m) {
      const Interval& e = row.metrics[m].interval;
      out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}", quoted(row.names.checkpoint),
                         quoted(row.names.task), quoted(row.names.split),
                         quoted(fmt::format("{}", fmt::join(row.names.files, " "))),
                         row.independent_layers, row.segment_format, row.pooling, row.precision,
                         row.metrics[m].metric, shown_number(e.value), shown_number(e.low),
                         shown_number(e.high));
      if (row.difference_to_p0) {
        const Interval& d = row.difference_to_p0->metrics[m].interval;
        out += fmt::format(",{},{},{},{}", shown_number(d.value), shown_number(d.low),
                           shown_number(d.high), quoted(row.difference_to_p0->reference));
      } else {
        out += ",,,,";
      }
      out += fmt::format(",{},{}", row.examples, row.truncated_examples);
      for (const FlopKind& kind : kFlopKinds) {
        out += fmt::format(",{},{},{}", row.flops.full.*kind.member, row.flops.lait.*kind.member,
                           row.flops.lait_cached.*kind.member);
      }
      if (decoder) {
        for (const DecoderFlopKind& kind : kDecoderFlopKinds)
          out += fmt::format(",{}", row.decoder_flops.*kind.member);
      }
      out += fmt::format(",{}\n", row.examples_per_s);
    }
  }
  return out;
}

}  // namespace lait
