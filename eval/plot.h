// accuracy_vs_flops.svg: each row's metric with its interval over its attention FLOPs, its encoder
// FLOPs and its measured time, drawn with gnuplot. Rows that a mean over seeds has in it are not
// drawn.
#pragma once
#include <string>
#include <vector>

#include "eval/evaluation.h"
#include "eval/gnuplot.h"

namespace lait {

inline constexpr const char* kPlotFile = "accuracy_vs_flops.svg";

struct PlotPoint {
  double x = 0;         // FLOPs per example of the schedule, in millions; or milliseconds
  double x_cached = 0;  // the same with the segments' states cached; x: no such value
  double y = 0, low = 0, high = 0;
  std::string label;  // "P = 3"; empty: none
  size_t series = 0;  // one for each segment format and pooling
};

// The rows of one task and split.
struct PlotPanel {
  std::string title, x_label, y_label;
  std::vector<std::string> series;  // their names for the key
  std::vector<PlotPoint> points;
};

inline constexpr size_t kPanelsOfData = 3;
// The panels of rows of the same data, called `data` in the title of the first. They plot the
// rows' first metric.
std::vector<PlotPanel> make_panels(const std::vector<const Evaluation*>& rows,
                                   const std::string& data);

// The script that draws the panels, kPanelsOfData in a row, to gnuplot's standard output.
std::string plot_script(const std::vector<PlotPanel>& panels);

Plot draw_plot(const std::vector<PlotPanel>& panels);

}  // namespace lait
