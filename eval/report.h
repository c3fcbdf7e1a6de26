// Reports of evaluations: a table for the terminal, and the files report.json, report.md,
// report.csv and accuracy_vs_flops.svg.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "eval/evaluation.h"

namespace lait {

// "84.3 [83.1, 85.4]", shares in percent; with `sign` "+0.1 [-0.2, +0.4]".
std::string format_interval(const std::string& metric, const Interval& interval, bool sign);
// "accuracy %"
std::string metric_heading(const std::string& metric);

// Tables for the terminal: metrics with intervals and the difference to P = 0, then FLOPs. At most
// 100 columns wide; tables wider than `width` become lists. nullopt: no limit (a pipe).
std::string report_text(std::span<const Evaluation> rows,
                        std::optional<size_t> width = std::nullopt);
std::string report_markdown(std::span<const Evaluation> rows, bool with_plot);
std::string report_csv(std::span<const Evaluation> rows);
// The content of report.json: an array of rows.
nlohmann::ordered_json report_json(std::span<const Evaluation> rows);

// Writes report.json, report.md, report.csv and accuracy_vs_flops.svg into dir, which is created if
// necessary. Returns "", or why there is no plot and what to do (gnuplot is missing or failed); the
// other files are written in any case.
std::string write_report(std::span<const Evaluation> rows, const std::filesystem::path& dir);

}  // namespace lait
