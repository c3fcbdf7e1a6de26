// The teacher of training.distill: finding it, and whether it fits the run.
#pragma once
#include <optional>

#include "train/run_inputs.h"

namespace lait {

// Finds the teacher that the config names, and resolves training.distill; nullopt: it names none.
// Throws UserError for a teacher of another task or kind of head, and for keys that mean nothing to
// the run. REQUIRES: in.spec is resolved, but for labels that the data define.
std::optional<Distilled> resolve_teacher(RunInputs& in);
// Throws UserError unless the teacher's labels are the data's.
void check_teacher_labels(const RunInputs& in);
// Throws UserError unless the teacher's weights can be the student's first ones.
void check_teacher_weights(const RunInputs& in);

}  // namespace lait
