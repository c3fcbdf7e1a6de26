// accuracy_vs_flops.svg: each row's metric with its interval over its attention FLOPs, drawn by gnuplot.
#pragma once
#include <string>
#include <vector>

#include "eval/evaluation.h"

namespace lait {

inline constexpr const char* kPlotFile = "accuracy_vs_flops.svg";

struct PlotPoint {
  double x = 0;         // FLOPs per example as the schedule runs, in millions
  double x_cached = 0;  // with the segments' states in a cache
  double y = 0, low = 0, high = 0;
  std::string label;  // "P = 3"; empty: none
  size_t series = 0;  // rows of one segment format and pooling have one colour
};

// The rows of one task and split.
struct PlotPanel {
  std::string title, y_label;
  std::vector<std::string> series;  // their names for the key
  std::vector<PlotPoint> points;
};

// Rows of the same data, which the title calls `data`; their first metric.
PlotPanel make_panel(const std::vector<const Evaluation*>& rows, const std::string& data);

// The script that draws the panels, one below the other, to gnuplot's standard output.
std::string plot_script(const std::vector<PlotPanel>& panels);

struct Plot {
  std::string svg;
  std::string problem;  // why there is none and the way out (gnuplot missing, or its error), or ""
};
Plot draw_plot(const std::vector<PlotPanel>& panels);

}  // namespace lait
