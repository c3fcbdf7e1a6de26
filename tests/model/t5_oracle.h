// The random models that tests/oracles/t5_parity.py makes, and what transformers computes with
// them. Only tests see this.
#pragma once
#include <map>
#include <memory>

#include "lait/base/json.h"
#include "tests/model/small_t5.h"
#include "tests/oracles/oracle.h"

namespace lait {

struct T5Oracle {
  // A `shape` of the script's, whose output goes to `folder` unless it is there.
  T5Oracle(const std::string& shape, const oracle::fs::path& folder)
      : dir(written(shape, folder)),
        cases(oracle::read_json(dir / "cases.json")),
        tensors(oracle::read_tensors(dir / "parity.safetensors")) {}

  // A small shape's, kept for the next process.
  static const T5Oracle& get(const std::string& shape) {
    static std::map<std::string, std::unique_ptr<T5Oracle>> oracles;
    std::unique_ptr<T5Oracle>& found = oracles[shape];
    if (!found) {
      const oracle::OutputFolder folder("t5_parity_" + shape);
      found = std::make_unique<T5Oracle>(shape, folder.path);
    }
    return *found;
  }

  std::vector<Example> examples() const {
    std::vector<Example> out;
    for (const auto& e : cases.at("examples")) {
      Example& example = out.emplace_back();
      for (const auto& segment : e.at("segments"))
        example.segments.push_back(id_text(segment.get<std::vector<int32_t>>()));
      const auto& labels = cases.at("labels");
      example.label =
          ClassLabel{std::find(labels.begin(), labels.end(), e.at("label")) - labels.begin()};
    }
    return out;
  }
  // The text head's model, with P independent layers.
  Model model(int64_t p, bool pair) const {
    const auto config = oracle::read_json(dir / "model" / "config.json");
    ModelSpec spec =
        t5_spec(split_schedule(p, config.at("num_layers")),
                pair ? SegmentFormat::kPair : SegmentFormat::kStandalone, HeadKind::kText);
    spec.labels.clear();
    for (auto label : cases.at("labels").get<std::vector<std::vector<int32_t>>>()) {
      label.pop_back();  // the end token
      spec.labels.push_back(id_text(label));
    }
    Model out = load_pretrained(dir / "model", spec, {}, at::kFloat, /*seed=*/1);
    out->head->use_tokenizer(T5IdTokenizer(config.at("vocab_size")));
    return out;
  }
  Dataset dataset(const Model& model) const { return t5_dataset(model, examples()); }

  oracle::fs::path dir;
  nlohmann::json cases;
  std::map<std::string, at::Tensor> tensors;

 private:
  static oracle::fs::path written(const std::string& shape, const oracle::fs::path& folder) {
    const auto done = folder / "cases.json", script = oracle::kScripts / "t5_parity.py";
    if (!oracle::fs::exists(done) ||
        oracle::fs::last_write_time(done) < oracle::fs::last_write_time(script))
      oracle::run("t5_parity.py", oracle::in_quotes(folder) + " " + shape, folder / "log.txt");
    return folder;
  }
};

}  // namespace lait
