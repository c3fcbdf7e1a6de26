#include "eval/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace lait {
namespace {

// Size of a panel in pixels.
constexpr double kWidth = 560, kHeight = 480;
constexpr const char* kColours[] = {"#1f5fa8", "#c0561c", "#2e8540",
                                    "#8a3a9b", "#9a7b0a", "#4a4a4a"};

// A label is right of its point, or left for every second series, and in the series' colour. This
// tells points apart that are nearly at the same place.
std::string panel_script(const PlotPanel& panel, size_t index) {
  std::string data, plot = "plot";
  for (size_t s = 0; s < panel.series.size(); ++s) {
    const std::string block = fmt::format("$data{}_{}", index, s);
    data += block + " << EOD\n";
    for (const PlotPoint& p : panel.points) {
      if (p.series == s)
        data +=
            fmt::format("{} {} {} {} {} \"{}\"\n", p.x, p.x_cached, p.y, p.low, p.high, p.label);
    }
    data += "EOD\n";
    const char* colour = kColours[s % std::size(kColours)];
    plot += fmt::format(
        " {0} using 1:3:($2-$1):(0) with vectors nohead lc rgb '#a0a0a0' dt 2 notitle, \\\n"
        "  {0} using 1:3:4:5 with yerrorbars pt 7 ps 0.9 lw 1.4 lc rgb '{1}' title {2}, \\\n"
        "  {0} using ($2 < $1 ? $2 : NaN):3 with points pt 6 ps 0.9 lw 1.6 lc rgb '{1}' notitle, "
        "\\\n"
        "  {0} using 1:3:6 with labels {3},0.5 tc rgb '{1}' notitle, \\\n ",
        block, colour, gnuplot_text(panel.series[s]),
        s % 2 == 0 ? "left offset 1" : "right offset -1");
  }
  return data +
         fmt::format("set title {}\nset xlabel {}\nset ylabel {}\n", gnuplot_text(panel.title),
                     gnuplot_text(panel.x_label), gnuplot_text(panel.y_label)) +
         plot +
         " NaN with points pt 6 ps 0.9 lw 1.6 lc rgb '#606060' title 'with cached segments'\n";
}

}  // namespace

std::vector<PlotPanel> make_panels(const std::vector<const Evaluation*>& rows,
                                   const std::string& data) {
  const Evaluation& first = *rows.front();
  const Metric& metric = find_metric(first.metrics.front().metric);
  const double factor = metric.is_share ? 100 : 1;
  struct Axis {
    const char* label;
    double (*value)(const Evaluation&, const Flops& of);
  };
  constexpr Axis kAxes[kPanelsOfData] = {
      {"attention FLOPs per example, millions",
       [](const Evaluation&, const Flops& of) { return of.attention / 1e6; }},
      {"encoder FLOPs per example, millions",
       [](const Evaluation&, const Flops& of) { return of.encoder / 1e6; }},
      {"measured time per example, milliseconds",
       [](const Evaluation& row, const Flops&) { return 1e3 / row.examples_per_s; }}};
  std::vector<PlotPanel> panels;
  for (const Axis& axis : kAxes) {
    PlotPanel panel{.title = panels.empty() ? fmt::format("{} ({} examples, bars: 95 % intervals)",
                                                          data, first.examples)
                                            : "",
                    .x_label = axis.label,
                    .y_label = metric.name + (metric.is_share ? ", %" : ""),
                    .series = {},
                    .points = {}};
    std::map<std::string, int> labelled;
    for (const Evaluation* row : rows) {
      if (row->is_in_mean) continue;
      const std::string kind = kind_name(*row);
      const auto series =
          static_cast<size_t>(std::ranges::find(panel.series, kind) - panel.series.begin());
      if (series == panel.series.size()) panel.series.push_back(kind);
      const Interval& e = row->metrics.front().interval;
      std::string label = fmt::format("P = {}", row->independent_layers);
      // Points of the same P may be at nearly the same place.
      if (labelled[kind + label]++ > 0) label.clear();
      panel.points.push_back({axis.value(*row, row->flops.lait),
                              axis.value(*row, row->flops.lait_cached), factor * e.value,
                              factor * e.low, factor * e.high, label, series});
    }
    panels.push_back(std::move(panel));
  }
  return panels;
}

std::string plot_script(const std::vector<PlotPanel>& panels) {
  std::string out = fmt::format(
      "set terminal svg size {},{} font 'Helvetica,Arial,sans-serif,14' background rgb 'white' "
      "noenhanced\n"
      "set encoding utf8\nset grid lc rgb '#e4e4e4'\nset border 3\nset tics nomirror out\n"
      "set key below left Left reverse samplen 2 width 2 height 0.5\n"
      "set xrange [0:*]\nset offsets 0, graph 0.1, graph 0.1, graph 0.1\n"
      "set multiplot layout {},{}\n",
      kWidth * kPanelsOfData,
      kHeight * static_cast<double>(panels.size()) / static_cast<double>(kPanelsOfData),
      panels.size() / kPanelsOfData, kPanelsOfData);
  for (size_t i = 0; i < panels.size(); ++i) out += panel_script(panels[i], i);
  return out + "unset multiplot\n";
}

Plot draw_plot(const std::vector<PlotPanel>& panels) { return run_gnuplot(plot_script(panels)); }

}  // namespace lait
