// learning_curve.svg: training loss, and loss and metrics on the validation data, over the steps of
// a run, from its metrics.jsonl.
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/run_directory.h"
#include "train/run_inputs.h"
#include "train/trainer_state.h"

namespace lait {

struct LearningCurve {
  std::string title;
  std::string metric;      // that selects the best model; others of its unit are drawn too
  int64_t best_step = -1;  // -1: none yet
  std::vector<nlohmann::ordered_json> lines;  // of metrics.jsonl
};

// The script that draws it. Of very many training lines each point is the mean of some that follow
// each other, which the key says.
std::string learning_curve_script(const LearningCurve& curve);

// Writes the run's learning_curve.svg from the lines of its metrics.jsonl. Returns why there is
// none; "": it is there. Throws WriteError.
std::string write_learning_curve(const RunInputs& in, const TrainerState& state,
                                 const RunDirectory& run,
                                 const std::vector<nlohmann::ordered_json>& lines);

// The objects of a metrics.jsonl; what is no object is left out.
std::vector<nlohmann::ordered_json> read_metrics(const std::filesystem::path& file);

}  // namespace lait
