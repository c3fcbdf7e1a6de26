// The outputs of the oracles of models and training steps: runs a script if its output is missing
// or older than the scripts, and reads its tensors. Only tests see this.
#pragma once
#include <ATen/ATen.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/oracles/python.h"

namespace lait::oracle {

// "minilm", "mpnet_base" (cmake/setup.sh mpnet), or "random_TYPE": a small random model with a real
// architecture.
inline fs::path model_folder(const std::string& model) {
  if (model == "minilm") return kMiniLm;
  if (model == "mpnet_base") return kMiniLm.parent_path() / "all-mpnet-base-v2";
  const OutputFolder folder("model_" + model);
  const fs::path made = folder.path / "model", script = kScripts / "make_model.py";
  if (!fs::exists(made / "config.json") ||
      fs::last_write_time(made / "config.json") < fs::last_write_time(script) ||
      fs::last_write_time(made / "config.json") <
          fs::last_write_time(kScripts / "model_texts.py")) {
    run("make_model.py",
        in_quotes(made) + " --type " + model.substr(model.find('_') + 1) +
            " --layers 6 --hidden 256 --heads 4 --vocab 3000 --seed 5",
        folder.path / "make.txt");
  }
  return made;
}

// The folder with the output of `kind`_parity.py ("model", "train") for a model; runs the script if
// the output is out of date. Processes take turns.
inline fs::path outputs(const std::string& kind, const std::string& model = "minilm") {
  const fs::path of = model_folder(model);
  const OutputFolder folder(kind + "_parity_" + model);
  const fs::path done = folder.path / "cases.json";
  bool stale = !fs::exists(done);
  for (const auto& entry : fs::directory_iterator(kScripts)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".py") || !(name.starts_with("model_") || name.starts_with(kind))) continue;
    stale = stale || fs::last_write_time(done) < entry.last_write_time();
  }
  if (stale) {
    run(kind + "_parity.py", in_quotes(of) + " " + in_quotes(folder.path), folder.path / "log.txt");
  }
  return folder.path;
}

inline nlohmann::json read_json(const fs::path& path) {
  return nlohmann::json::parse(read_file(path));
}

// Copies of a safetensors file's float and int64 tensors; independent of the library's reader,
// which is under test.
inline std::map<std::string, at::Tensor> read_tensors(const fs::path& path) {
  const std::string bytes = read_file(path);
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  const auto header = nlohmann::json::parse(bytes.substr(8, header_size));
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto sizes = entry.at("shape").get<std::vector<int64_t>>();
    at::Tensor tensor = at::empty(sizes, entry.at("dtype") == "F32" ? at::kFloat : at::kLong);
    const auto range = entry.at("data_offsets").get<std::vector<size_t>>();
    if (range[1] - range[0] != tensor.nbytes())
      throw std::runtime_error(path.string() + ": unexpected dtype of " + name);
    std::memcpy(tensor.mutable_data_ptr(), bytes.data() + 8 + header_size + range[0],
                tensor.nbytes());
    out[name] = tensor;
  }
  return out;
}

// The largest absolute difference; NaN and infinity count as a large difference.
inline double max_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes())
    throw std::runtime_error("shapes differ: " + std::to_string(a.numel()) + " and " +
                             std::to_string(b.numel()) + " elements");
  if (a.numel() == 0) return 0;
  if (!at::isfinite(a).all().item<bool>()) return INFINITY;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace lait::oracle
