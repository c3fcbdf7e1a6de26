// report.json of a run: what was trained, where, how fast, and the scores of the best model.
#pragma once
#include <ATen/core/Tensor.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/metrics.h"
#include "train/run_inputs.h"
#include "train/trainer_state.h"

namespace lait {

// The scores of a split: metrics with their 95 % intervals, and a classifier's classes.
nlohmann::ordered_json score(const RunInputs& in, const std::vector<Outcome>& outcomes);

// By split: the number of examples that lost tokens.
nlohmann::ordered_json truncated(const RunInputs& in);

// The teacher, its weight and the examples of the training data. REQUIRES: in.distilled.
nlohmann::ordered_json distillation_json(const RunInputs& in);

// The config as config.yaml has it.
nlohmann::ordered_json config_json(const Config& config);

// Host, CPU, its model and number, threads, ranks, device and the GPU's name. Asks the device.
nlohmann::ordered_json machine_json(at::Device device, int ranks);

// "seconds" of the steps that metrics.jsonl lists, over all processes of the run, and
// "examples_per_s" in them. Evaluation and saving are not counted.
nlohmann::ordered_json training_speed(const std::vector<nlohmann::ordered_json>& metrics_lines);

// "2026-03-01T12:00:00Z"
std::string utc_time(double unix_seconds);

}  // namespace lait
