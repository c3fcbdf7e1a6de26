#include "eval/plot.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>

#include "lait/base/files.h"
#include "lait/base/wrap.h"

extern char** environ;

namespace lait {
namespace {

// Of a panel, in pixels; the axes' place is fixed so that labels can be placed without asking gnuplot.
constexpr double kWidth = 800;
constexpr double kLeft = 90, kRight = 775, kTop = 60,
                 kBottom = 450;  // from the panel's left and top
constexpr double kKeyTop = 525, kKeyLine = 22;
constexpr double kFontSize = 14;
constexpr const char* kColours[] = {"#1f5fa8", "#c0561c", "#2e8540",
                                    "#8a3a9b", "#9a7b0a", "#4a4a4a"};

struct Range {
  double low, high;
  double at(double value, double from, double to) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};

struct Box {
  double left, top, right, bottom;
  bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

struct Label {
  std::string text;
  double x, y;  // pixels: left end, middle
};

Range x_range(const PlotPanel& panel) {
  double high = 0;
  for (const PlotPoint& p : panel.points) high = std::max({high, p.x, p.x_cached});
  return {0, high > 0 ? 1.12 * high : 1};
}

Range y_range(const PlotPanel& panel) {
  double low = panel.points.front().low, high = panel.points.front().high;
  for (const PlotPoint& p : panel.points) {
    low = std::min(low, p.low);
    high = std::max(high, p.high);
  }
  const double margin = std::max(0.12 * (high - low), 1e-3 * std::max(1.0, std::abs(high)));
  return {low - margin, high + margin};
}

// Each label beside its point where it covers no mark, no error bar and no other label, as far as there is such a place.
std::vector<Label> place_labels(const PlotPanel& panel, const Range& xs, const Range& ys) {
  constexpr double kMark = 7, kHalfHeight = 0.6 * kFontSize, kCharacter = 0.56 * kFontSize;
  std::vector<Box> taken;
  auto x_of = [&](double x) { return xs.at(x, kLeft, kRight); };
  auto y_of = [&](double y) { return ys.at(y, kBottom, kTop); };
  for (const PlotPoint& p : panel.points) {
    const double x = x_of(p.x), cached = x_of(p.x_cached), y = y_of(p.y);
    taken.push_back({x - kMark, y - kMark, x + kMark, y + kMark});
    taken.push_back({x - 5, y_of(p.high), x + 5, y_of(p.low)});
    taken.push_back({cached - kMark, y - kMark, cached + kMark, y + kMark});
    taken.push_back({std::min(x, cached), y - 2, std::max(x, cached), y + 2});
  }
  std::vector<Label> labels;
  for (const PlotPoint& p : panel.points) {
    if (p.label.empty()) continue;
    const double width = kCharacter * static_cast<double>(display_width(p.label));
    const double x = x_of(p.x), y = y_of(p.y);
    Label best{p.label, 0, 0};
    int fewest = -1;
    for (double distance : {0., 18., 36., 54., 72.}) {
      for (double up : {0., -1., 1.}) {
        for (bool right : {true, false}) {
          if (up == 0 && distance > 0) continue;
          const double left = right ? x + kMark + 4 : x - kMark - 4 - width;
          const double middle = y + up * (10 + distance);
          const Box box{left, middle - kHalfHeight, left + width, middle + kHalfHeight};
          const bool inside =
              box.left > kLeft && box.right < kRight + 20 && box.top > kTop && box.bottom < kBottom;
          const auto covered = static_cast<int>(
              std::ranges::count_if(taken, [&](const Box& other) { return box.overlaps(other); }));
          const int cost = covered + (inside ? 0 : 100);
          if (fewest < 0 || cost < fewest) {
            fewest = cost;
            best.x = left;
            best.y = middle;
          }
        }
      }
    }
    taken.push_back({best.x, best.y - kHalfHeight, best.x + width, best.y + kHalfHeight});
    labels.push_back(best);
  }
  return labels;
}

// Two columns of series, and one entry more for the marks of the cache.
double panel_height(const PlotPanel& panel) {
  return kKeyTop + kKeyLine * std::ceil(static_cast<double>(panel.series.size() + 1) / 2) + 12;
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "''" : std::string(1, c == '\n' ? ' ' : c);
  return out + "'";
}

std::string panel_script(const PlotPanel& panel, size_t index, double top, double total_height) {
  const Range xs = x_range(panel), ys = y_range(panel);
  auto screen_y = [&](double y) { return 1 - (top + y) / total_height; };
  std::string out = fmt::format("$points{} << EOD\n", index);
  for (const PlotPoint& p : panel.points)
    out += fmt::format("{} {} {} {} {} {}\n", p.x, p.x_cached, p.y, p.low, p.high, p.series);
  out += "EOD\nunset label\n";
  for (const Label& label : place_labels(panel, xs, ys)) {
    out += fmt::format("set label {} at screen {:.4f},{:.4f} left\n", quoted(label.text),
                       label.x / kWidth, screen_y(label.y));
  }
  out += fmt::format(
      "set lmargin at screen {:.4f}\nset rmargin at screen {:.4f}\nset tmargin at screen "
      "{:.4f}\nset bmargin at screen {:.4f}\n",
      kLeft / kWidth, kRight / kWidth, screen_y(kTop), screen_y(kBottom));
  out += fmt::format("set xrange [{}:{}]\nset yrange [{}:{}]\n", xs.low, xs.high, ys.low, ys.high);
  out += fmt::format("set label {} at screen 0.022,{:.4f} center rotate by 90\n",
                     quoted(panel.y_label), screen_y((kTop + kBottom) / 2));
  out += fmt::format("set title {} offset 0,0.3\n", quoted(panel.title));
  out +=
      "set xlabel 'attention FLOPs per example, millions (Q, K, V, O projections, Q K^T and P V; a "
      "multiply-add is 2)'\n";
  out += fmt::format(
      "set key at screen {:.4f},{:.4f} left top vertical maxrows {} Left reverse samplen 2 width 2 "
      "font ',13'\n",
      kLeft / kWidth, screen_y(kKeyTop), (panel.series.size() + 2) / 2);
  out += fmt::format(
      "plot $points{} using 1:3:(column(2)-column(1)):(0) with vectors nohead lc rgb '#a0a0a0' dt "
      "2 notitle",
      index);
  for (size_t s = 0; s < panel.series.size(); ++s) {
    const char* colour = kColours[s % std::size(kColours)];
    out += fmt::format(
        ", \\\n     $points{} using (column(6) == {} ? column(1) : NaN):3:4:5 with yerrorbars pt 7 "
        "ps 0.9 lw 1.4 lc rgb '{}' title {}",
        index, s, colour, quoted(panel.series[s]));
    out += fmt::format(
        ", \\\n     $points{} using (column(6) == {} && column(2) < column(1) ? column(2) : NaN):3 "
        "with points pt 6 ps 0.9 "
        "lw 1.6 lc rgb '{}' notitle",
        index, s, colour);
  }
  return out +
         ", \\\n     NaN with points pt 6 ps 0.9 lw 1.6 lc rgb '#606060' title 'with cached "
         "segments'\n";
}

// A file in memory, so that a full disk cannot cut what gnuplot reads and writes. Throws std::runtime_error where there is
// none to be had (a limit on the size of files counts for it, too).
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& content = "")
      : fd_(memfd_create("lait-plot", MFD_CLOEXEC)) {
    if (fd_ < 0 ||
        ::pwrite(fd_, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
      throw std::runtime_error(fmt::format("no memory for the plot: {}", std::strerror(errno)));
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  int fd() const { return fd_; }
  std::string content() const { return read_file(fmt::format("/proc/self/fd/{}", fd_)); }

 private:
  int fd_;
};

Plot run_gnuplot(const std::string& script) {
  const MemoryFile input(script), output, messages;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, messages.fd(), STDERR_FILENO);
  std::string program = "gnuplot", from_standard_input = "-";
  char* argv[] = {program.data(), from_standard_input.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, "gnuplot", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return {.svg = "",
            .problem = error == ENOENT
                           ? "gnuplot is not installed; install it (Debian: apt-get install "
                             "gnuplot-nox) and run this again"
                           : fmt::format("gnuplot could not be started: {}", std::strerror(error))};
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return {.svg = "", .problem = "gnuplot failed: " + messages.content()};
  std::string svg = output.content();
  if (svg.find("</svg>") == std::string::npos)
    return {.svg = "", .problem = "gnuplot's picture was cut short: " + messages.content()};
  return {.svg = std::move(svg), .problem = ""};
}

}  // namespace

PlotPanel make_panel(const std::vector<const Evaluation*>& rows, const std::string& data) {
  const Evaluation& first = *rows.front();
  const Metric& metric = find_metric(first.metrics.front().metric);
  const double factor = metric.is_share ? 100 : 1;
  PlotPanel panel{
      .title = fmt::format("{} ({} examples, bars: 95 % intervals)", data, first.examples),
      .y_label = metric.name + (metric.is_share ? ", %" : ""),
      .series = {},
      .points = {}};
  std::map<std::string, int> labelled;
  for (const Evaluation* row : rows) {
    const std::string kind = kind_name(*row);
    const auto series =
        static_cast<size_t>(std::ranges::find(panel.series, kind) - panel.series.begin());
    if (series == panel.series.size()) panel.series.push_back(kind);
    const Interval& e = row->metrics.front().interval;
    std::string label = fmt::format("P = {}", row->independent_layers);
    if (labelled[kind + label]++ > 0)
      label.clear();  // other seeds of the same model lie at nearly the same place
    panel.points.push_back({row->flops.lait.attention / 1e6, row->flops.lait_cached.attention / 1e6,
                            factor * e.value, factor * e.low, factor * e.high, label, series});
  }
  return panel;
}

std::string plot_script(const std::vector<PlotPanel>& panels) {
  double height = 0, top = 0;
  for (const PlotPanel& panel : panels) height += panel_height(panel);
  std::string out = fmt::format(
      "set terminal svg size {},{} font 'Helvetica,Arial,sans-serif,{}' background rgb 'white' "
      "noenhanced\n"
      "set encoding utf8\nset grid lc rgb '#e4e4e4'\nset border 3\nset tics nomirror out\n"
      "set multiplot\n",
      kWidth, height, kFontSize);
  for (size_t i = 0; i < panels.size(); top += panel_height(panels[i++]))
    out += panel_script(panels[i], i, top, height);
  return out + "unset multiplot\n";
}

Plot draw_plot(const std::vector<PlotPanel>& panels) {
  try {
    return run_gnuplot(plot_script(panels));
  } catch (const std::runtime_error& error) {
    return {.svg = "", .problem = error.what()};
  }
}

}  // namespace lait
