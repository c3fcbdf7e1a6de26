#include "train/teacher.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "eval/checkpoints.h"
#include "lait/base/error.h"
#include "lait/config/enum_names.h"
#include "lait/model/checkpoint.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKey = "training.distill.teacher";

// A window's rows are those of its tokens, so both models must read the same.
void check_same_windows(const RunInputs& in, const Distilled& teacher) {
  const auto refuse = [&](const std::string& what, const auto& expected, const auto& got) {
    throw UserError(fmt::format("{}: {}: windows of passages need the student's {}, {}, got {}",
                                kKey, teacher.dir.string(), what, expected, got));
  };
  if (teacher.spec.format != in.spec.format)
    refuse("model.segment_format", to_string(in.spec.format), to_string(teacher.spec.format));
  if (teacher.spec.max_segment_tokens != in.spec.max_segment_tokens)
    refuse("data.max_segment_tokens", in.spec.max_segment_tokens, teacher.spec.max_segment_tokens);
  if (teacher.spec.window_overlap != in.spec.window_overlap)
    refuse("data.window_overlap", *in.spec.window_overlap, *teacher.spec.window_overlap);
}

void check_keys(const RunInputs& in) {
  const DistillConfig& distill = in.config.training.distill;
  const std::string with = "training.distill.";
  const HeadInfo& head = find_head(in.spec.head);
  if (head.soft_labels == SoftLabels::kNone) {
    throw UserError(
        fmt::format("{}: model.head: {} writes texts, and learns no other's outputs; "
                    "use classifier or regression",
                    kKey, to_string(in.spec.head)));
  }
  if (head.soft_labels == SoftLabels::kNumbers && distill.temperature) {
    throw UserError(fmt::format("{}temperature: expected a head with logits, got {}; leave it out",
                                with, to_string(in.spec.head)));
  }
  if (distill.recombine > 0 && in.spec.label_kind() == LabelKind::kSpans) {
    throw UserError(with + "recombine: expected a task whose labels are of two texts alike, got " +
                    in.task->name() + ", whose questions are of one passage; leave it out");
  }
  for (const DataFiles* files : {&in.config.data.train, &distill.data}) {
    for (const std::string& file : *files) {
      std::error_code error;
      if (!fs::exists(file, error) || fs::is_regular_file(file, error) ||
          fs::is_directory(file, error))
        continue;
      throw UserError(
          fmt::format("{}: {}: expected a file, which the teacher can read again, got a "
                      "pipe; save it first",
                      kKey, file));
    }
  }
  if (distill.init == StudentInit::kTeacher && in.config.model.init == ModelInit::kRandom) {
    throw UserError(with + "init: teacher contradicts model.init: random; leave one of them out");
  }
}

}  // namespace

std::optional<Distilled> resolve_teacher(RunInputs& in) {
  DistillConfig& distill = in.config.training.distill;
  if (const DistillConfig none; distill.teacher.empty() && distill != none) {
    throw UserError(std::string(kKey) +
                    ": expected the teacher's checkpoint, got none; give one, or leave out "
                    "training.distill");
  }
  if (distill.teacher.empty()) return std::nullopt;
  check_keys(in);
  Distilled teacher;
  with_context(kKey, [&] {
    const FoundCheckpoints found = find_checkpoints(distill.teacher);
    if (found.checkpoints.size() != 1) {
      throw UserError(fmt::format("{}: expected one checkpoint, got a folder of {} runs",
                                  distill.teacher, found.checkpoints.size()));
    }
    teacher.dir = found.checkpoints.front().dir;
    teacher.spec = spec_at(teacher.dir);
  });
  const auto expect_same = [&](const char* what, const std::string& expected,
                               const std::string& got) {
    if (expected == got) return;
    throw UserError(fmt::format("{}: {}: expected a teacher of {}: {}, as the run has, got {}",
                                kKey, teacher.dir.string(), what, expected, got));
  };
  expect_same("task", in.task->name(), teacher.spec.task);
  expect_same("model.head", to_string(in.spec.head), to_string(teacher.spec.head));
  if (in.spec.window_overlap) check_same_windows(in, teacher);
  if (find_head(in.spec.head).soft_labels == SoftLabels::kLogits && !distill.temperature)
    distill.temperature = kDefaultTemperature;
  return teacher;
}

void check_teacher_labels(const RunInputs& in) {
  const std::vector<std::string>&expected = in.spec.labels, &got = in.distilled->spec.labels;
  if (!std::ranges::is_permutation(expected, got)) {
    throw UserError(
        fmt::format("{}: {}: expected the labels of the training data {{{}}}, got {{{}}}", kKey,
                    in.distilled->dir.string(), fmt::join(expected, ", "), fmt::join(got, ", ")));
  }
  if (in.spec.window_overlap && load_tokenizer(in.distilled->dir)->files() != in.tokenizer->files())
    throw UserError(
        fmt::format("{}: {}: windows of passages need the student's tokenizer, got "
                    "another",
                    kKey, in.distilled->dir.string()));
}

void check_teacher_weights(const RunInputs& in) {
  const fs::path& dir = in.distilled->dir;
  const HfConfig theirs = read_hf_config(dir);
  const HfConfig& ours = in.hf_config;
  const auto expect_same = [&](const std::string& what, const auto& expected, const auto& got) {
    if (expected == got) return;
    throw UserError(fmt::format(
        "training.distill.init: teacher: {}: expected model.path's {}, {}, got {}; use pretrained",
        dir.string(), what, expected, got));
  };
  expect_same("family", ours.family->model_type(), theirs.family->model_type());
  expect_same("num_hidden_layers", ours.num_hidden_layers, theirs.num_hidden_layers);
  expect_same("hidden_size", ours.hidden_size, theirs.hidden_size);
  expect_same("intermediate_size", ours.intermediate_size, theirs.intermediate_size);
  expect_same("num_attention_heads", ours.num_attention_heads, theirs.num_attention_heads);
  expect_same("vocab_size", ours.vocab_size, theirs.vocab_size);
  if (load_tokenizer(dir)->files() != in.tokenizer->files())
    throw UserError(
        fmt::format("training.distill.init: teacher: {}: expected model.path's "
                    "tokenizer, got another; use pretrained",
                    dir.string()));
}

}  // namespace lait
