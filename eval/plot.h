// accuracy_vs_flops.svg: each row's metric with its interval over its attention FLOPs, drawn with
// gnuplot.
#pragma once
#include <string>
#include <vector>

#include "eval/evaluation.h"
#include "eval/gnuplot.h"

namespace lait {

inline constexpr const char* kPlotFile = "accuracy_vs_flops.svg";

struct PlotPoint {
  double x = 0;         // FLOPs per example of the schedule, in millions
  double x_cached = 0;  // the same with the segments' states cached
  double y = 0, low = 0, high = 0;
  std::string label;  // "P = 3"; empty: none
  size_t series = 0;  // one for each segment format and pooling
};

// The rows of one task and split.
struct PlotPanel {
  std::string title, y_label;
  std::vector<std::string> series;  // their names for the key
  std::vector<PlotPoint> points;
};

// The panel of rows of the same data, called `data` in its title. Plots their first metric.
PlotPanel make_panel(const std::vector<const Evaluation*>& rows, const std::string& data);

// The script that draws the panels, one below the other, to gnuplot's standard output.
std::string plot_script(const std::vector<PlotPanel>& panels);

Plot draw_plot(const std::vector<PlotPanel>& panels);

}  // namespace lait
