// Fills a segment store ahead: what the segments of a file become before they meet others.
#pragma once
#include <cstdint>
#include <functional>

#include "lait/base/files.h"
#include "lait/predict/predictor.h"

namespace lait {

struct CacheBuildOptions {
  // Lines are {"text": "…"} or JSON strings, each a segment that is not its example's first (a
  // passage); false: examples as the model's task reads them for prediction, with all segments.
  bool texts = false;
  // Of several processes that share the input, each takes every num_parts-th line.
  int64_t part = 0, num_parts = 1;
  // Asked between lines and batches; true stops after what was computed is committed. May be null.
  std::function<bool()> should_stop = {};
  // Called after each window. May be null.
  std::function<void(const SegmentValues::Counts&)> on_progress = {};
};

// REQUIRES: predictor.use_store was called. Returns the lines that were read by all parts. Throws
// UserError "file:line: …" for a malformed line, or one that is too long, once what stands before
// it is committed; with texts, for a model that does not take two segments.
int64_t build_cache(Predictor& predictor, LineReader input, const CacheBuildOptions& options);

}  // namespace lait
