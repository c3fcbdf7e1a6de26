#include "eval/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "eval/class_report.h"
#include "eval/plot.h"
#include "eval/table.h"
#include "lait/base/files.h"
#include "lait/base/shown_text.h"
#include "lait/base/wrap.h"
#include "lait/config/did_you_mean.h"

namespace lait {
std::string format_interval(const std::string& metric, const Interval& e, bool sign) {
  const bool share = find_metric(metric).is_share;
  const int digits = share ? 1 : 3;
  const auto shown = [&](double value) { return shown_number((share ? 100 : 1) * value); };
  return fmt::format(
      fmt::runtime(sign ? "{:+.{}f} [{:+.{}f}, {:+.{}f}]" : "{:.{}f} [{:.{}f}, {:.{}f}]"),
      shown(e.value), digits, shown(e.low), digits, shown(e.high), digits);
}

std::string metric_heading(const std::string& metric) {
  return metric + (find_metric(metric).is_share ? " %" : "");
}

namespace {

constexpr size_t kNameWidth = 20;  // of checkpoints in the tables for the terminal
constexpr size_t kTextWidth = 100;

// What differs between the terminal and Markdown.
struct Style {
  std::function<std::string(const Table&)> table;
  std::function<std::string(const std::string&)> text;  // shows names as they are
  const char* heading = "";
  size_t name_width = kNameWidth;
  size_t width = std::string::npos;  // of paragraphs
};

std::string format_difference(const Evaluation& row, const std::string& metric) {
  if (row.difference_to_p0) {
    for (const NamedInterval& d : row.difference_to_p0->metrics) {
      if (d.metric == metric) return format_interval(metric, d.interval, /*sign=*/true);
    }
  }
  return "-";
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

// Names the rows whose examples were truncated.
std::string truncation_notes(std::span<const Evaluation> rows, const Style& style) {
  std::string notes;
  for (const Evaluation& row : rows) {
    if (row.truncated_examples == 0) continue;
    notes += wrap(
        fmt::format("{} (P = {}): {} of {} examples were truncated", style.text(display_name(row)),
                    row.independent_layers, row.truncated_examples, row.examples),
        style.width);
  }
  return notes;
}

Table metric_table(const std::vector<const Evaluation*>& rows, const std::string& metric,
                   const Style& style) {
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
    std::vector<std::string> cells{style.text(keep_end(display_name(*row), style.name_width))};
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
Table flops_table(const std::vector<const Evaluation*>& rows, const Style& style) {
  Table table{.header = {"checkpoint", "P"}, .rows = {}};
  for (const FlopKind& kind : kFlopKinds) {
    for (const char* part : {"M", "lait", "cached"})
      table.header.push_back(*part == 'M' ? std::string(kind.name) + " M" : part);
  }
  const bool decoder = std::ranges::any_of(
      rows, [](const Evaluation* row) { return row->decoder_flops.total() > 0; });
  for (const DecoderFlopKind& kind : kDecoderFlopKinds) {
    if (decoder) table.header.push_back(std::string(kind.name) + " M");
  }
  for (const Evaluation* row : rows) {
    std::vector<std::string> cells{style.text(keep_end(display_name(*row), style.name_width)),
                                   std::to_string(row->independent_layers)};
    for (const FlopKind& kind : kFlopKinds) {
      const double full = row->flops.full.*kind.member;
      cells.push_back(fmt::format("{:.{}f}", full / 1e6, full < 1e7 ? 2 : 1));
      cells.push_back(fmt::format("{:.3f}", flop_share(row->flops.lait.*kind.member, full)));
      cells.push_back(fmt::format("{:.3f}", flop_share(row->flops.lait_cached.*kind.member, full)));
    }
    for (const DecoderFlopKind& kind : kDecoderFlopKinds) {
      if (decoder) cells.push_back(fmt::format("{:.1f}", row->decoder_flops.*kind.member / 1e6));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

constexpr const char* kFlopsHeading =
    "FLOPs per example: the stock model's in millions, and the shares of it that are left";

std::string report_tables(std::span<const Evaluation> rows, const Style& style) {
  std::string out;
  for (const auto& group : by_data(rows)) {
    out += fmt::format("{}{}: {} examples\n\n", style.heading,
                       style.text(data_name(*group.front(), rows)), group.front()->examples);
    for (const NamedInterval& metric : group.front()->metrics)
      out += style.table(metric_table(group, metric.metric, style)) + "\n";
    out += fmt::format("{}\n{}\n", wrap(kFlopsHeading, style.width),
                       style.table(flops_table(group, style)));
  }
  return out;
}

}  // namespace

std::string report_text(std::span<const Evaluation> rows, std::optional<size_t> width) {
  const Style style{.table =
                        [&](const Table& table) {
                          return format_plain(table, width.value_or(std::string::npos));
                        },
                    .text = [](const std::string& text) { return text; },
                    .width = std::min(kTextWidth, width.value_or(kTextWidth))};
  return report_tables(rows, style) + wrap(kFlopsDefinition, style.width) +
         truncation_notes(rows, style);
}

std::string report_markdown(std::span<const Evaluation> rows, bool with_plot) {
  const Style style{.table = format_markdown,
                    .text = markdown_text,
                    .heading = "## ",
                    .name_width = std::string::npos};
  std::string out = "# Evaluation\n\n" + report_tables(rows, style);
  out += std::string(kFlopsDefinition) + "\n";
  out +=
      "Intervals are 95 %: Wilson's for accuracy, bootstrap for other metrics and where examples "
      "share a passage or query. Differences are paired, to the best row with P = 0.\n";
  if (std::ranges::any_of(rows, [](const Evaluation& row) { return !row.seeds.empty(); }))
    out += "Those of means over seeds are over seeds and examples.\n";
  const std::string notes = truncation_notes(rows, style);
  if (!notes.empty()) out += "\n" + notes;
  for (const Evaluation& row : rows) {
    if (row.labels.empty()) continue;
    out += fmt::format("\n## {} (P = {}): classes of {}\n\n", markdown_text(display_name(row)),
                       row.independent_layers, markdown_text(data_name(row, rows))) +
           class_markdown(class_report(row.labels, row.outcomes));
  }
  if (with_plot) out += fmt::format("\n![Score against FLOPs and time]({})\n", kPlotFile);
  return out;
}

std::string write_report(std::span<const Evaluation> rows, const std::filesystem::path& dir) {
  std::vector<PlotPanel> panels;
  for (const auto& group : by_data(rows))
    std::ranges::move(make_panels(group, data_name(*group.front(), rows)),
                      std::back_inserter(panels));
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
