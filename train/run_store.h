// cache.dir: the segment store of a run.
#pragma once
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "lait/predict/sequence_values.h"
#include "train/progress.h"
#include "train/run_inputs.h"

namespace lait {

// What the frozen part of the run's model makes of sequences. Null: the config names no store.
// Throws UserError as frozen_plan, and if the store can neither be read nor made.
std::unique_ptr<SequenceValues> open_run_store(const RunInputs& in, const Model& model,
                                               const Ranks& ranks,
                                               const std::function<void(const std::string&)>& warn);

// What the store did in this process, for report.json: {"found": …, "computed": …, "added_bytes":
// …}, of the distinct segments of each batch, training and evaluation, on all ranks. Says it, and
// warns of what was damaged and of what else computed values that were used. All ranks call it.
nlohmann::ordered_json report_run_store(SequenceValues& values, const std::string& dir,
                                        Ranks& ranks, Progress& progress);

}  // namespace lait
