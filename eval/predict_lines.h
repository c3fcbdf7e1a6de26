// Prediction of a file: {"segments": ["…", "…"]} lines or any file of the model's task in, one JSON
// line for each example out, in the same order: {"label": …, "scores": {…}}, {"score": …}, or of a
// model that finds answers {"answer": …, "start": …, "end": …, "score": …, "no_answer": …}, or what
// a model with a decoder writes, {"text": …}.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "lait/base/files.h"
#include "lait/predict/predictor.h"

namespace lait {

struct PredictedLines {
  int64_t lines = 0;
  int64_t blank_lines = 0;  // these have no prediction
  int64_t truncated = 0;    // of which a segment lost tokens
  // The input's fields that have a prediction's name ("score"): they are carried as "input_score".
  std::set<std::string> renamed;
  // What an input without examples has instead, for a message.
  std::string found_instead;
};

// How the examples of a file are read that a model shall predict: each line of the input is one,
// whatever the training's data.skip_bad_lines was.
ReadOptions reading_for_prediction(const ModelSpec& spec);

// Reads examples in windows, so that memory does not grow with the input. Calls write() with the
// predictions of each window, and before it waits for more input: a process that writes a line and
// reads the answer is not kept waiting. A line has the input's other fields first, e.g. an id;
// where segments lost tokens it ends with "truncated": their numbers. Each line of the input gives
// one, whatever the training's data.skip_bad_lines was.
//
// Throws UserError "file:line: …" for an example that cannot be predicted: it is malformed, it is
// too long and the checkpoint says on_overflow: error, or its prediction is not finite. The
// predictions of the examples before it are written first.
//
// With `max_new_tokens` the predictions are texts of at most so many tokens (Predictor::generate,
// which says what it requires).
PredictedLines predict_lines(Predictor& predictor, LineReader input, const PredictOptions& options,
                             const std::function<void(std::string_view)>& write,
                             std::optional<int64_t> max_new_tokens = {});

}  // namespace lait
