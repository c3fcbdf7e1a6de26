// Checkpoints of a tiny random BERT with a vocabulary of a few words, data for them, and run
// directories around them.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "lait/base/files.h"
#include "lait/config/read.h"
#include "lait/data/example.h"
#include "lait/model/checkpoint.h"
#include "tests/model/small_bert.h"

namespace lait {

inline const std::vector<std::string> kTinyLabels{"entails", "neutral", "refutes"};
inline constexpr int64_t kTinyLayers = 4;  // SmallBert's

struct TinyOptions {
  int64_t independent_layers = 0;
  SegmentFormat format = SegmentFormat::kStandalone;
  Pooling pooling = Pooling::kClsSegments;
  HeadKind head = HeadKind::kClassifier;
  std::string task = "jsonl";
  int64_t max_tokens = 256;
  OnOverflow on_overflow = OnOverflow::kTruncate;
  double classifier_weight = 0;  // of all; 0: drawn
};

inline std::string tiny_word(uint32_t i) {
  return {static_cast<char>('a' + i / 12 % 12), static_cast<char>('m' + i % 12)};
}

// Writes a checkpoint as lait-train does. Returns its folder.
inline std::filesystem::path write_checkpoint(const std::filesystem::path& dir,
                                              const TinyOptions& options = {}) {
  const SmallBert bert;
  ModelSpec spec = bert.spec(options.independent_layers, options.format, options.pooling);
  spec.head = options.head;
  spec.task = options.task;
  const bool is_number =
      options.head == HeadKind::kRegression || options.head == HeadKind::kRelevance;
  spec.labels = is_number ? std::vector<std::string>{} : kTinyLabels;
  spec.max_segment_tokens = options.max_tokens;
  spec.on_overflow = options.on_overflow;
  const Model model = bert.model(spec, at::kFloat);
  if (options.classifier_weight != 0) {
    const at::NoGradGuard no_grad;
    model->head->named_parameters()["output.weight"].fill_(options.classifier_weight);
  }
  save_checkpoint(model, dir);
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (uint32_t i = 0; i < 144; ++i) vocabulary += tiny_word(i) + "\n";
  for (int i = 149; i < 200; ++i) vocabulary += "[unused" + std::to_string(i) + "]\n";
  write_file(dir / "vocab.txt", vocabulary);
  write_file(dir / "tokenizer_config.json",
             R"({"do_lower_case": true, "tokenizer_class": "BertTokenizer"})");
  return dir;
}

// JSON lines with labels. Ids are numbers, texts or missing.
inline std::vector<nlohmann::ordered_json> tiny_lines(uint32_t seed, int count) {
  std::mt19937 random(seed);
  std::vector<nlohmann::ordered_json> lines;
  for (int i = 0; i < count; ++i) {
    nlohmann::ordered_json line{{"segments", nlohmann::json::array()}};
    for (int s = 0; s < 2; ++s) {
      std::string text;
      for (uint32_t words = random() % 12; words > 0; --words)
        text += tiny_word(random() % 144) + " ";
      line["segments"].push_back(text);
    }
    line["label"] = kTinyLabels[random() % 3];
    if (i % 3 == 0) line["id"] = i;
    if (i % 3 == 1) line["id"] = "line \"" + std::to_string(i) + "\"";
    lines.push_back(line);
  }
  return lines;
}

// Their texts.
inline std::vector<Example> tiny_examples(uint32_t seed, int count) {
  std::vector<Example> examples(count);
  const auto lines = tiny_lines(seed, count);
  for (int i = 0; i < count; ++i) lines[i].at("segments").get_to(examples[i].segments);
  return examples;
}

inline std::string to_text(const std::vector<nlohmann::ordered_json>& lines) {
  std::string text;
  for (const auto& line : lines) text += line.dump() + "\n";
  return text;
}

// A run directory: best/, and config.yaml, which names its data.
inline std::filesystem::path write_run(const std::filesystem::path& dir, const TinyOptions& options,
                                       const DataFiles& validation, const DataFiles& test) {
  write_checkpoint(dir / "best", options);
  Config config;
  config.task = options.task;
  config.model.path = "unused";
  config.model.independent_layers = options.independent_layers;
  config.data.train = {"unused.jsonl"};
  config.data.validation = validation;
  config.data.test = test;
  write_file(dir / "config.yaml", write_config(config));
  return dir;
}

}  // namespace lait
