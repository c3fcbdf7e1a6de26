#include "train/reranker.h"

#include <utility>

#include "lait/base/error.h"
#include "lait/config/read.h"
#include "lait/model/checkpoint.h"
#include "lait/model/device.h"

namespace lait {

namespace fs = std::filesystem;

LoadedModel load_reranker(const std::string& checkpoint, const std::string& precision) {
  const at::ScalarType dtype = resolve_precision(precision == "bf16"   ? Precision::kBf16
                                                 : precision == "fp32" ? Precision::kFp32
                                                                       : Precision::kAuto,
                                                 at::kCPU);
  LoadedModel out;
  if (!checkpoint.empty()) {
    const bool is_run = fs::exists(fs::path(checkpoint) / "best" / "lait.yaml");
    out.dir = is_run ? fs::path(checkpoint) / "best" : fs::path(checkpoint);
    out.tokenizer = load_tokenizer(out.dir);
    out.model = load_checkpoint(out.dir, dtype);
  } else {
    out.dir = find_model("all-MiniLM-L6-v2");
    out.tokenizer = load_tokenizer(out.dir);
    const HfConfig config = read_hf_config(out.dir);
    const ModelSpec spec{.schedule = split_schedule(0, config.num_hidden_layers),
                         .format = SegmentFormat::kStandalone,
                         .pooling = Pooling::kClsSegments,
                         .head = HeadKind::kRelevance,
                         .max_segment_tokens = longest_by_default(config),
                         .task = "jsonl",
                         .labels = {}};
    out.model = load_pretrained(out.dir, spec, {}, dtype, /*seed=*/1);
  }
  if (out.model->spec.format == SegmentFormat::kPair)
    throw UserError(
        "--checkpoint: expected a model with standalone segments, got segment_format: pair");
  out.model->keep_blocked();  // as a Predictor's
  return out;
}

void save_reranker(LoadedModel& loaded, const Schedule& schedule, const fs::path& dir) {
  Schedule& saved = loaded.model->spec.schedule;
  const Schedule before = std::exchange(saved, schedule);
  save_checkpoint(loaded.model, dir);
  saved = before;
  loaded.tokenizer->save(dir);
}

}  // namespace lait
