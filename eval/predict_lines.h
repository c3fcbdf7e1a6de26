// Prediction of JSON lines: {"segments": ["…", "…"]} in, {"label": …, "scores": {…}} or
// {"score": …} out, in the same order.
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
  int64_t blank_lines = 0;          // these have no prediction
  int64_t truncated_sequences = 0;  // distinct within their window
};

// Reads lines in windows, so that memory does not grow with the input. Calls write() with the
// predictions of each window, one line for each line that is not blank. `source` names the input in
// messages. Throws UserError "source:line: …" for a line that cannot be predicted: it is malformed,
// it is too long and the checkpoint says on_overflow: error, or its prediction is not finite. The
// predictions of the lines before it are written first.
PredictedLines predict_lines(Predictor& predictor, LineReader& input, const std::string& source,
                             const PredictOptions& options,
                             const std::function<void(std::string_view)>& write);

}  // namespace lait
