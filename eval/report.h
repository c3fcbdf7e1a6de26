// Reports of evaluations: a table for the terminal, and report.json, report.md, report.csv, accuracy_vs_flops.svg.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "eval/evaluation.h"

namespace lait {

// The terminal's tables: metrics with intervals and the difference to P = 0, then FLOPs; at most 100 columns. Tables wider
// than `width` become lists. nullopt: a pipe, any width.
std::string report_text(std::span<const Evaluation> rows,
                        std::optional<size_t> width = std::nullopt);
std::string report_markdown(std::span<const Evaluation> rows, bool with_plot);
std::string report_csv(std::span<const Evaluation> rows);
// An array of rows; report.json's content.
nlohmann::ordered_json report_json(std::span<const Evaluation> rows);

// Writes report.json, report.md, report.csv and accuracy_vs_flops.svg into dir (created where missing). Returns "" or, where
// gnuplot is missing or failed, why there is no plot and the way out; the other files are written all the same.
std::string write_report(std::span<const Evaluation> rows, const std::filesystem::path& dir);

}  // namespace lait
