// The model that benchmarks of reranking measure: a checkpoint's, or MiniLM with a random head.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "lait/model/model.h"
#include "lait/text/tokenizer.h"

namespace lait {

// What all benchmarks of reranking are told.
struct RerankBench {
  // A checkpoint; "": MiniLM with a random head.
  std::string checkpoint{};
  // Lines {"text": …} or JSON strings; "": WordNet's glosses, repeated to BoolQ's lengths.
  std::string passages{};
  int64_t num_passages = 1000;
  std::string precision = "auto";
  int64_t threads = 0;
  std::string json{};
};

struct LoadedModel {
  Model model{nullptr};
  std::shared_ptr<const Tokenizer> tokenizer;
  std::filesystem::path dir;
};

// Of a checkpoint or a run directory; "": MiniLM at P = 0 with a head `relevance` of random
// weights. `precision`: auto, bf16 or fp32. Throws UserError, also for the pair format, whose
// segments are not computed apart.
LoadedModel load_reranker(const std::string& checkpoint, const std::string& precision);
// As a checkpoint that lait's programs load.
void save_reranker(LoadedModel& loaded, const Schedule& schedule, const std::filesystem::path& dir);

}  // namespace lait
