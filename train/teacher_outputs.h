// What the teacher of training.distill says: its outputs for the training data, computed once and
// kept in RUN/cache/teacher-KEY/, a file for each 1024 examples. The key is a hash of the
// teacher's files and of the texts, so a run that starts again, resumes or is the next of a sweep
// finds them, and a pass that was interrupted goes on.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>

#include "lait/model/model.h"
#include "lait/ranks/ranks.h"
#include "train/distillation.h"
#include "train/progress.h"
#include "train/run_inputs.h"

namespace lait {

struct TeacherPass {
  at::ScalarType precision = at::kFloat;
  at::Device device = at::kCPU;
  // For the files. What cannot be written is a warning.
  std::filesystem::path cache = {};
  // Asked between batches: the signal to stop for, or 0.
  std::function<int()> stop = {};
};
// The soft labels of the training data for a student with that head, which outlives them, as the
// data does. nullopt if a rank was told to stop; what was computed is kept. All ranks call it, and
// each computes a part. Needs the memory of the teacher, and of the texts, while it computes.
// Throws UserError for outputs that are not finite. REQUIRES: in.distilled.
std::optional<Distillation> ask_teacher(const RunInputs& in, const HeadImpl& head,
                                        const TeacherPass& pass, Ranks& ranks, Progress& progress);

}  // namespace lait
