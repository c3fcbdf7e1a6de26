#include "eval/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>

#include "eval/plot.h"
#include "eval/table.h"
#include "lait/base/files.h"
#include "lait/base/wrap.h"
#include "lait/config/did_you_mean.h"

namespace lait {
namespace {

constexpr size_t kNameWidth = 20;  // of checkpoints in the tables for the terminal
constexpr size_t kTextWidth = 100;

// The three FLOP counts, in the order of the report.
struct FlopKind {
  const char* name;
  double Flops::*member;
};
constexpr std::array<FlopKind, 3> kFlopKinds{{{"score_context", &Flops::score_context},
                                              {"attention", &Flops::attention},
                                              {"encoder", &Flops::encoder}}};

double ratio(double part, double whole) { return whole > 0 ? part / whole : 1; }

std::string format_interval(const std::string& metric, const Interval& e, bool sign) {
  const bool share = find_metric(metric).is_share;
  const double factor = share ? 100 : 1;
  const int digits = share ? 1 : 3;
  return sign ? fmt::format("{:+.{}f} [{:+.{}f}, {:+.{}f}]", factor * e.value, digits,
                            factor * e.low, digits, factor * e.high, digits)
              : fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", factor * e.value, digits, factor * e.low,
                            digits, factor * e.high, digits);
}

std::string format_difference(const Evaluation& row, const std::string& metric) {
  if (row.difference_to_p0) {
    for (const NamedInterval& d : row.difference_to_p0->metrics) {
      if (d.metric == metric) return format_interval(metric, d.interval, /*sign=*/true);
    }
  }
  return "-";
}

std::string metric_heading(const std::string& metric) {
  return metric + (find_metric(metric).is_share ? " %" : "");
}

std::vector<std::vector<const Evaluation*>> by_data(std::span<const Evaluation> rows) {
  std::vector<std::vector<const Evaluation*>> groups;
  for (const Evaluation& row : rows) {
    const auto same = std::ranges::find_if(
        groups, [&](const auto& group) { return same_data(*group.front(), row); });
    (same == groups.end() ? groups.emplace_back() : *same).push_back(&row);
  }
  return groups;
}

// "sick, test". Adds the files if rows of other data have the same name.
std::string data_name(const Evaluation& row, std::span<const Evaluation> rows) {
  const bool only = std::ranges::all_of(rows, [&](const Evaluation& other) {
    return other.names.task != row.names.task || other.names.split != row.names.split ||
           same_data(other, row);
  });
  const std::string name = row.names.task + ", " + row.names.split;
  return only || row.names.files.empty()
             ? name
             : fmt::format("{} ({})", name, fmt::join(row.names.files, ", "));
}

// Names the rows whose segments were truncated.
std::string truncation_notes(std::span<const Evaluation> rows, size_t width = std::string::npos) {
  std::string notes;
  for (const Evaluation& row : rows) {
    if (row.truncated_sequences == 0) continue;
    notes += wrap(
        fmt::format("{} (P = {}): {} of {} distinct segments were truncated", display_name(row),
                    row.independent_layers, row.truncated_sequences, row.sequences),
        width);
  }
  return notes;
}

Table metric_table(const std::vector<const Evaluation*>& rows, const std::string& metric,
                   size_t name_width) {
  const bool several_kinds = std::ranges::any_of(rows, [&](const Evaluation* row) {
    return row->segment_format != rows.front()->segment_format ||
           row->pooling != rows.front()->pooling;
  });
  Table table{
      .header = {"checkpoint"}, .rows = {}, .num_text_columns = size_t{several_kinds ? 2u : 1u}};
  if (several_kinds) table.header.push_back("segments, pooling");
  for (const char* name : {"P", "", "to P = 0", "examples/s"})
    table.header.push_back(*name ? name : metric_heading(metric) + " [95 %]");
  for (const Evaluation* row : rows) {
    std::vector<std::string> cells{keep_end(display_name(*row), name_width)};
    if (several_kinds) cells.push_back(kind_name(*row));
    cells.push_back(std::to_string(row->independent_layers));
    for (const NamedInterval& m : row->metrics) {
      if (m.metric == metric) cells.push_back(format_interval(metric, m.interval, /*sign=*/false));
    }
    cells.push_back(format_difference(*row, metric));
    cells.push_back(fmt::format("{:.0f}", row->examples_per_s));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

// `full` in millions, the others as shares of it.
Table flops_table(const std::vector<const Evaluation*>& rows, size_t name_width) {
  Table table{.header = {"checkpoint", "P"}, .rows = {}};
  for (const FlopKind& kind : kFlopKinds) {
    for (const char* part : {"M", "lait", "cached"})
      table.header.push_back(*part == 'M' ? std::string(kind.name) + " M" : part);
  }
  for (const Evaluation* row : rows) {
    std::vector<std::string> cells{keep_end(display_name(*row), name_width),
                                   std::to_string(row->independent_layers)};
    for (const FlopKind& kind : kFlopKinds) {
      const double full = row->flops.full.*kind.member;
      cells.push_back(fmt::format("{:.{}f}", full / 1e6, full < 1e7 ? 2 : 1));
      cells.push_back(fmt::format("{:.3f}", ratio(row->flops.lait.*kind.member, full)));
      cells.push_back(fmt::format("{:.3f}", ratio(row->flops.lait_cached.*kind.member, full)));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

constexpr const char* kFlopsHeading =
    "FLOPs per example: the stock model's in millions, and the shares of it that are left";

std::string report_tables(std::span<const Evaluation> rows,
                          const std::function<std::string(const Table&)>& format, size_t name_width,
                          const char* heading_mark, size_t text_width = std::string::npos) {
  std::string out;
  for (const auto& group : by_data(rows)) {
    out += fmt::format("{}{}: {} examples\n\n", heading_mark, data_name(*group.front(), rows),
                       group.front()->examples);
    for (const NamedInterval& metric : group.front()->metrics)
      out += format(metric_table(group, metric.metric, name_width)) + "\n";
    out += fmt::format("{}\n{}\n", wrap(kFlopsHeading, text_width),
                       format(flops_table(group, name_width)));
  }
  return out;
}

}  // namespace

std::string report_text(std::span<const Evaluation> rows, std::optional<size_t> width) {
  const auto format = [&](const Table& table) {
    return format_plain(table, width.value_or(std::string::npos));
  };
  const size_t text_width = std::min(kTextWidth, width.value_or(kTextWidth));
  return report_tables(rows, format, kNameWidth, "", text_width) +
         wrap(kFlopsDefinition, text_width) + truncation_notes(rows, text_width);
}

std::string report_markdown(std::span<const Evaluation> rows, bool with_plot) {
  std::string out =
      "# Evaluation\n\n" + report_tables(rows, format_markdown, /*name_width=*/200, "## ");
  out += std::string(kFlopsDefinition) + "\n";
  out +=
      "Intervals are 95 %: Wilson's for accuracy, bootstrap for other metrics. Differences are "
      "paired, to the best row with P = 0.\n";
  const std::string notes = truncation_notes(rows);
  if (!notes.empty()) out += "\n" + notes;
  if (with_plot) out += fmt::format("\n![Score against attention FLOPs]({})\n", kPlotFile);
  return out;
}

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
        schedule.push_back({{"num_layers", stage.num_layers}, {"scope", to_string(stage.scope)}});
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
    json["examples"] = row.examples;
    json["sequences"] = row.sequences;
    json["truncated_sequences"] = row.truncated_sequences;
    for (const FlopKind& kind : kFlopKinds) {
      const double full = row.flops.full.*kind.member, lait = row.flops.lait.*kind.member,
                   cached = row.flops.lait_cached.*kind.member;
      json["flops"][kind.name] = {{"full", full}, {"lait", lait}, {"lait_cached", cached}};
      json["ratio_to_full"][kind.name] = {{"lait", ratio(lait, full)},
                                          {"lait_cached", ratio(cached, full)}};
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
      "truncated_sequences";
  for (const FlopKind& kind : kFlopKinds) {
    for (const char* part : {"full", "lait", "lait_cached"})
      out += fmt::format(",{}_{}", kind.name, part);
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
                         row.metrics[m].metric, e.value, e.low, e.high);
      if (row.difference_to_p0) {
        const Interval& d = row.difference_to_p0->metrics[m].interval;
        out += fmt::format(",{},{},{},{}", d.value, d.low, d.high,
                           quoted(row.difference_to_p0->reference));
      } else {
        out += ",,,,";
      }
      out += fmt::format(",{},{}", row.examples, row.truncated_sequences);
      for (const FlopKind& kind : kFlopKinds) {
        out += fmt::format(",{},{},{}", row.flops.full.*kind.member, row.flops.lait.*kind.member,
                           row.flops.lait_cached.*kind.member);
      }
      out += fmt::format(",{}\n", row.examples_per_s);
    }
  }
  return out;
}

std::string write_report(std::span<const Evaluation> rows, const std::filesystem::path& dir) {
  std::vector<PlotPanel> panels;
  for (const auto& group : by_data(rows))
    panels.push_back(make_panel(group, data_name(*group.front(), rows)));
  const Plot plot = draw_plot(panels);
  const std::string json = report_json(rows).dump(2) + "\n", csv = report_csv(rows),
                    markdown = report_markdown(rows, plot.problem.empty());
  std::vector<FileContent> files{
      {dir / "report.json", json}, {dir / "report.csv", csv}, {dir / "report.md", markdown}};
  if (plot.problem.empty()) files.push_back({dir / kPlotFile, plot.svg});
  write_files(files);
  // A plot that is there shows other rows.
  if (!plot.problem.empty()) std::filesystem::remove(dir / kPlotFile);
  return plot.problem;
}

}  // namespace lait
