#include "train/learning_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/gnuplot.h"
#include "eval/metrics.h"
#include "lait/base/file_writer.h"
#include "lait/base/files.h"
#include "train/model_card.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;
using Points = std::vector<std::pair<double, double>>;  // step, value

constexpr double kWidth = 800, kHeight = 320;  // of a panel, in pixels
constexpr size_t kMostPoints = 400;            // of a line
constexpr size_t kFewPoints = 40;              // so many are drawn as points on their line
// Okabe and Ito's colours, which colour-blind people tell apart.
constexpr const char* kColours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7"};
constexpr const char* kBestColour = "#606060";

Points points_of(const LearningCurve& curve, const std::string& split, const std::string& name) {
  Points points;
  for (const Json& line : curve.lines) {
    if (line.value("split", Json()) != split || !line.contains(name) || !line.contains("step"))
      continue;
    if (line[name].is_number() && line["step"].is_number())
      points.emplace_back(line["step"].get<double>(), line[name].get<double>());
  }
  return points;
}

// Means of `count` points that follow each other.
Points means(const Points& points, size_t count) {
  Points out;
  for (size_t begin = 0; begin < points.size(); begin += count) {
    const size_t end = std::min(begin + count, points.size());
    std::pair<double, double> sum;
    for (size_t i = begin; i < end; ++i) {
      sum.first += points[i].first;
      sum.second += points[i].second;
    }
    const auto n = static_cast<double>(end - begin);
    out.emplace_back(sum.first / n, sum.second / n);
  }
  return out;
}

struct Panel {
  std::string y_label;
  std::string data{}, plot{};  // of the script
  size_t series = 0;

  void add(const std::string& title, Points points, size_t panel, double factor = 1) {
    if (points.empty()) return;
    std::string of_means;
    if (const size_t count = (points.size() + kMostPoints - 1) / kMostPoints; count > 1) {
      points = means(points, count);
      of_means = fmt::format(" (means of {} lines)", count);
    }
    const std::string block = fmt::format("$data{}_{}", panel, series);
    data += block + " << EOD\n";
    for (const auto& [step, value] : points) data += fmt::format("{} {}\n", step, factor * value);
    data += "EOD\n";
    plot +=
        fmt::format("{} {} with {} lc rgb '{}' lw 1.8{} title {}", series == 0 ? "plot" : ", \\\n",
                    block, points.size() <= kFewPoints ? "linespoints pt 7 ps 0.55" : "lines",
                    kColours[(series + 2 * panel) % std::size(kColours)],
                    series > 0 ? " dt '-'" : "", gnuplot_text(title + of_means));
    ++series;
  }
};

// The value of the metric at the best step, as the picture says it.
std::string best_text(const LearningCurve& curve, const Points& metric, bool is_share) {
  for (const auto& [step, value] : metric) {
    if (step != static_cast<double>(curve.best_step)) continue;
    const std::string shown =
        is_share ? fmt::format("{:.1f} %", 100 * value) : fmt::format("{:.3f}", value);
    return fmt::format("best: step {}, {} {}", curve.best_step, curve.metric, shown);
  }
  return "";
}

// "optimiser step (140.5 steps are an epoch)"
std::string x_label(const LearningCurve& curve) {
  const std::string label = "optimiser step";
  if (curve.lines.empty()) return label;
  const Json& last = curve.lines.back();
  const auto number = [&](const char* name) {
    return last.contains(name) && last[name].is_number() ? last[name].get<double>() : 0;
  };
  if (number("epoch") <= 0) return label;
  return fmt::format("{} ({:.4g} steps are an epoch)", label, number("step") / number("epoch"));
}

}  // namespace

std::string learning_curve_script(const LearningCurve& curve) {
  std::vector<Panel> panels(1);
  panels[0].y_label = "loss";
  panels[0].add("training", points_of(curve, "train", "loss"), 0);
  panels[0].add("validation", points_of(curve, "validation", "loss"), 0);
  const bool is_share = find_metric(curve.metric).is_share;
  const Points metric = points_of(curve, "validation", curve.metric);
  const std::string best = best_text(curve, metric, is_share);
  if (!metric.empty()) {
    Panel panel{.y_label = is_share ? "validation, %" : "validation, " + curve.metric};
    panel.add(curve.metric, metric, 1, is_share ? 100 : 1);
    for (const Metric& other : all_metrics()) {
      if (is_share && other.is_share && other.name != curve.metric)
        panel.add(other.name, points_of(curve, "validation", other.name), 1, 100);
    }
    panels.push_back(panel);
  }
  double last = 1;
  for (const Json& line : curve.lines) {
    if (line.contains("step") && line["step"].is_number())
      last = std::max(last, line["step"].get<double>());
  }
  std::string out = fmt::format(
      "set terminal svg size {},{} font 'Helvetica,Arial,sans-serif,14' background rgb 'white' "
      "noenhanced\n"
      "set encoding utf8\nset grid lc rgb '#e8e8e8'\nset border 3 lc rgb '#808080'\n"
      "set tics nomirror out scale 0.5 tc rgb '#303030'\nset lmargin 10\nset rmargin 4\n"
      "set key top right horizontal samplen 2 tc rgb '#303030'\nset key above\n"
      "set xrange [0:{}]\nset offsets 0, 0, graph 0.06, graph 0.06\n"
      "set multiplot layout {},1 title {}\n",
      kWidth, kHeight * static_cast<double>(panels.size()) + 30, last * 1.01, panels.size(),
      gnuplot_text(curve.title));
  if (!best.empty()) {
    out += fmt::format(
        "set arrow 1 from {0}, graph 0 to {0}, graph 1 nohead dt 3 lw 1.4 lc rgb '{1}'\n",
        curve.best_step, kBestColour);
  }
  for (size_t i = 0; i < panels.size(); ++i) {
    if (i + 1 == panels.size()) {
      out += "set xlabel " + gnuplot_text(x_label(curve)) + "\n";
      // Beside the line, where there is room.
      const bool at_right = static_cast<double>(curve.best_step) < 0.5 * last;
      if (!best.empty()) {
        out += fmt::format("set label 1 {} at {}, graph 0.06 {} offset {},0 tc rgb '{}'\n",
                           gnuplot_text(best), curve.best_step, at_right ? "left" : "right",
                           at_right ? 0.8 : -0.8, kBestColour);
      }
    }
    // A run without a finite loss has an empty panel.
    const std::string plot =
        panels[i].series > 0 ? panels[i].plot : "set yrange [0:1]\nplot NaN notitle";
    out += panels[i].data + "set ylabel " + gnuplot_text(panels[i].y_label) + "\n" + plot + "\n";
  }
  return out + "unset multiplot\n";
}

std::vector<Json> read_metrics(const std::filesystem::path& file) {
  std::vector<Json> lines;
  if (!std::filesystem::exists(file)) return lines;
  LineReader reader(file);
  while (const auto line = reader.next()) {
    Json json = Json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) lines.push_back(std::move(json));
  }
  return lines;
}

std::string write_learning_curve(const RunInputs& in, const TrainerState& state,
                                 const RunDirectory& run, const std::vector<Json>& lines) {
  const std::string& select_by = in.config.training.select_by;
  const LearningCurve curve{.title = fmt::format("{}, {}, {}", base_name(in.config),
                                                 in.task->name(), describe(in.spec.schedule)),
                            .metric = select_by.empty() ? in.metrics.front() : select_by,
                            .best_step = in.validation.dataset ? state.best_step : -1,
                            .lines = lines};
  const Plot plot = run_gnuplot(learning_curve_script(curve));
  if (!plot.problem.empty()) return fmt::format("no {}: {}", kLearningCurveFile, plot.problem);
  write_file(run.path() / kLearningCurveFile, plot.svg);
  return "";
}

}  // namespace lait
