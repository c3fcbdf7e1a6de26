// Pictures drawn with gnuplot, a program that may be missing.
#pragma once
#include <string>

namespace lait {

struct Plot {
  std::string svg;
  std::string problem;  // why there is no plot and how to fix it; "" if there is one
};
// Runs a script that draws an SVG to gnuplot's standard output. Writes no files.
Plot run_gnuplot(const std::string& script);

// A text in a script: quoted, line breaks as blanks.
std::string gnuplot_text(const std::string& text);

}  // namespace lait
