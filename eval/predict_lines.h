// Prediction of JSON lines: {"segments": ["…", "…"]} in, {"label": …, "scores": {…}} or {"score": …} out, in the same order.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lait/base/files.h"
#include "lait/predict/predictor.h"

namespace lait {

struct PredictedLines {
  int64_t lines = 0;
  int64_t blank_lines = 0;          // which have no prediction
  int64_t truncated_sequences = 0;  // distinct in their window
};

// Reads lines in windows (memory does not grow with the input) and gives write() each window's predictions, one line for
// each line that is not blank. `source` stands for the input in messages. Throws UserError "source:line: …" for a line that
// cannot be predicted (not what it should be, too long where the checkpoint says on_overflow: error, a prediction that is
// not finite), after the predictions of the lines before it were written.
PredictedLines predict_lines(Predictor& predictor, LineReader& input, const std::string& source,
                             const PredictOptions& options,
                             const std::function<void(std::string_view)>& write);

}  // namespace lait
