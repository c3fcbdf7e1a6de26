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
  explicit T5Oracle(const std::string& shape)
      : dir(folder(shape)),
        cases(oracle::read_json(dir / "cases.json")),
        tensors(oracle::read_tensors(dir / "parity.safetensors")) {}

  // `shape`: "relu" or "gated".
  static const T5Oracle& get(const std::string& shape) {
    static std::map<std::string, std::unique_ptr<T5Oracle>> oracles;
    std::unique_ptr<T5Oracle>& found = oracles[shape];
    if (!found) found = std::make_unique<T5Oracle>(shape);
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
    const ModelSpec spec =
        t5_spec(split_schedule(p, 4), pair ? SegmentFormat::kPair : SegmentFormat::kStandalone,
                HeadKind::kText);
    Model out = load_pretrained(dir / "model", spec, {}, at::kFloat, /*seed=*/1);
    out->head->use_tokenizer(T5IdTokenizer(600));
    return out;
  }
  Dataset dataset(const Model& model) const { return t5_dataset(model, examples()); }

  oracle::fs::path dir;
  nlohmann::json cases;
  std::map<std::string, at::Tensor> tensors;

 private:
  // The folder with the script's output.
  static oracle::fs::path folder(const std::string& shape) {
    const oracle::OutputFolder folder("t5_parity_" + shape);
    const auto done = folder.path / "cases.json", script = oracle::kScripts / "t5_parity.py";
    if (!oracle::fs::exists(done) ||
        oracle::fs::last_write_time(done) < oracle::fs::last_write_time(script))
      oracle::run("t5_parity.py", oracle::in_quotes(folder.path) + " " + shape,
                  folder.path / "log.txt");
    return folder.path;
  }
};

}  // namespace lait
