// Scores by class against scikit-learn's, and what Markdown must not eat.
#include "eval/class_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/report.h"
#include "eval/table.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The example in the documentation of scikit-learn's classification_report.
const std::vector<std::string> kLabels{"class 0", "class 1", "class 2"};
std::vector<Outcome> outcomes() {
  const std::vector<double> label{0, 1, 2, 2, 2}, predicted{0, 0, 2, 2, 1};
  std::vector<Outcome> out;
  for (size_t i = 0; i < label.size(); ++i) out.push_back({predicted[i], label[i]});
  return out;
}

TEST(ClassReport, AsScikitLearn) {
  const ClassReport report = class_report(kLabels, outcomes());
  ASSERT_EQ(report.classes.size(), 3u);
  EXPECT_EQ(report.classes[0].precision(), 0.5);
  EXPECT_EQ(report.classes[0].recall(), 1);
  EXPECT_DOUBLE_EQ(report.classes[0].f1().value(), 2.0 / 3);
  EXPECT_EQ(report.classes[1].f1(), 0);
  EXPECT_EQ(report.classes[2].precision(), 1);
  EXPECT_DOUBLE_EQ(report.classes[2].recall().value(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(report.classes[2].f1().value(), 0.8);
  EXPECT_THAT(report.confusion,
              ElementsAre(ElementsAre(1, 0, 0), ElementsAre(1, 0, 0), ElementsAre(0, 1, 2)));
  double sum = 0;
  for (const ClassScores& scores : report.classes) sum += scores.f1().value();
  EXPECT_DOUBLE_EQ(find_metric("macro_f1").value(outcomes()), sum / 3);
}

TEST(ClassReport, WhatIsNotDefinedHasNoNumber) {
  nlohmann::ordered_json json;
  add_classes(json, class_report({"a", "b", "c"}, std::vector<Outcome>{{0, 1}, {0, 0}}));
  EXPECT_EQ(json["classes"][0]["precision"], 0.5);
  EXPECT_TRUE(json["classes"][1]["precision"].is_null()) << "never predicted";
  EXPECT_EQ(json["classes"][1]["recall"], 0);
  EXPECT_TRUE(json["classes"][2]["f1"].is_null()) << "does not occur";
  EXPECT_EQ(json["confusion_matrix"].dump(), "[[1,0,0],[1,0,0],[0,0,0]]");
}

TEST(ClassReport, MatricesOfManyClassesAreLeftOut) {
  const std::vector<std::string> labels(kMostClassesInJson + 1, "x");
  const ClassReport report = class_report(labels, std::vector<Outcome>{{0, 1}});
  nlohmann::ordered_json json;
  add_classes(json, report);
  EXPECT_EQ(json["classes"].size(), labels.size());
  EXPECT_FALSE(json.contains("confusion_matrix"));
  EXPECT_THAT(class_markdown(report), testing::Not(HasSubstr("predicted as")));
}

TEST(ClassReport, IsAPartOfEveryClassifiersReport) {
  Evaluation row;
  row.names = {"runs/_a_*b*/best", "jsonl", "`t`<x>|y.tsv"};
  row.outcomes = outcomes();
  row.labels = {"__init__", "a|b", "c"};
  for (const std::string metric : {"accuracy", "macro_f1"})
    row.metrics.push_back({metric, metric_interval(find_metric(metric), row.outcomes)});
  const auto json = report_json({&row, 1});
  EXPECT_EQ(json[0]["classes"][1]["label"], "a|b");
  EXPECT_EQ(json[0]["confusion_matrix"][2][2], 2);
  const std::string text = report_markdown({&row, 1}, /*with_plot=*/false);
  EXPECT_THAT(text, HasSubstr("## jsonl, \\`t\\`\\<x\\>|y.tsv: 0 examples\n"));
  EXPECT_THAT(text, HasSubstr("| \\_a\\_\\*b\\* "));
  EXPECT_THAT(text, HasSubstr("## \\_a\\_\\*b\\* (P = 0): classes of jsonl, "));
  EXPECT_THAT(text, HasSubstr("| \\_\\_init\\_\\_ |        50.0 |    100.0 | 66.7 |        1 |"));
  EXPECT_THAT(text, HasSubstr("| a\\|b "));
  // A regression has none.
  row.labels.clear();
  EXPECT_FALSE(report_json({&row, 1})[0].contains("classes"));
  EXPECT_THAT(report_markdown({&row, 1}, false), testing::Not(HasSubstr("classes of")));
}

TEST(MarkdownText, EscapesWhatWouldBeEaten) {
  EXPECT_EQ(markdown_text("sick_split3/best"), "sick_split3/best");
  EXPECT_EQ(markdown_text("_a_ b_"), "\\_a\\_ b\\_");
  EXPECT_EQ(markdown_text("*a* `b` <c> [d](e) \\f &amp; ~~g~~"),
            "\\*a\\* \\`b\\` \\<c\\> \\[d\\](e) \\\\f \\&amp; \\~\\~g\\~\\~");
  EXPECT_EQ(markdown_text("a\nb"), "a b");
}

TEST(Metrics, EveryClassifierHasMacroF1AfterItsOwn) {
  for (const Task* task : all_tasks()) {
    const auto of_classes = metrics_of(*task, LabelKind::kClass);
    if (task->label_kind() != LabelKind::kClass) continue;
    EXPECT_EQ(of_classes.front(), task->metrics(LabelKind::kClass).front()) << task->name();
    EXPECT_EQ(std::ranges::count(of_classes, "macro_f1"), 1) << task->name();
  }
  EXPECT_THAT(metrics_of(find_task("jsonl"), LabelKind::kNumber),
              ElementsAre("pearson", "spearman", "mse"));
}

}  // namespace
}  // namespace lait
