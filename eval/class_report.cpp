#include "eval/class_report.h"

#include <fmt/format.h>

#include "eval/table.h"

namespace lait {
namespace {

std::optional<double> share(int64_t part, int64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f}", 100 * *value) : "-";
}

nlohmann::ordered_json json_value(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

}  // namespace

std::optional<double> ClassScores::precision() const { return share(right, predicted); }
std::optional<double> ClassScores::recall() const { return share(right, examples); }
std::optional<double> ClassScores::f1() const { return share(2 * right, predicted + examples); }

ClassReport class_report(const std::vector<std::string>& labels,
                         std::span<const Outcome> outcomes) {
  ClassReport report;
  if (labels.size() <= kMostClassesInJson)
    report.confusion.assign(labels.size(), std::vector<int64_t>(labels.size(), 0));
  for (const std::string& label : labels) report.classes.push_back({.label = label});
  for (const Outcome& outcome : outcomes) {
    const auto label = static_cast<size_t>(outcome.label),
               predicted = static_cast<size_t>(outcome.predicted);
    if (!report.confusion.empty()) ++report.confusion[label][predicted];
    ++report.classes.at(label).examples;
    ++report.classes.at(predicted).predicted;
    report.classes[label].right += label == predicted;
  }
  return report;
}

void add_classes(nlohmann::ordered_json& json, const ClassReport& report) {
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (const ClassScores& scores : report.classes) {
    classes.push_back({{"label", scores.label},
                       {"precision", json_value(scores.precision())},
                       {"recall", json_value(scores.recall())},
                       {"f1", json_value(scores.f1())},
                       {"examples", scores.examples},
                       {"predicted", scores.predicted}});
  }
  json["classes"] = std::move(classes);
  if (!report.confusion.empty()) json["confusion_matrix"] = report.confusion;
}

std::string class_markdown(const ClassReport& report) {
  Table scores{.header = {"class", "precision %", "recall %", "F1 %", "examples", "predicted"},
               .rows = {}};
  Table confusion{.header = {"examples of ↓ predicted as →"}, .rows = {}};
  const bool with_confusion = report.classes.size() <= kMostClassesInMarkdown;
  for (size_t c = 0; c < report.classes.size(); ++c) {
    const ClassScores& one = report.classes[c];
    const std::string name = markdown_text(one.label);
    scores.rows.push_back({name, percent(one.precision()), percent(one.recall()), percent(one.f1()),
                           std::to_string(one.examples), std::to_string(one.predicted)});
    if (!with_confusion) continue;
    confusion.header.push_back(name);
    std::vector<std::string> row{name};
    for (const int64_t count : report.confusion[c]) row.push_back(std::to_string(count));
    confusion.rows.push_back(std::move(row));
  }
  return format_markdown(scores) + (with_confusion ? "\n" + format_markdown(confusion) : "");
}

}  // namespace lait
