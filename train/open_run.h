// A run's folder, opened for a new run or to resume one.
#pragma once
#include <optional>

#include "train/progress.h"
#include "train/run_directory.h"
#include "train/run_inputs.h"
#include "train/trainer_state.h"

namespace lait {

// Opens the run's folder, as the first rank does, and writes a new run's config.yaml. Returns where
// the run resumes; nullopt: it begins. Throws UserError if another run is there, or the one there
// cannot go on with this config.
std::optional<ResumePoint> open_run(const RunInputs& in, IfExists if_exists, Progress& progress,
                                    std::optional<RunDirectory>& run);

}  // namespace lait
