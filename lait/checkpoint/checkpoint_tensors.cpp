#include "lait/checkpoint/checkpoint_tensors.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "lait/base/error.h"
#include "lait/base/json.h"
#include "lait/base/words.h"
#include "lait/checkpoint/finite.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFile = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr size_t kMaxListed = 20;  // of each kind of mistake

bool present(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool replace_end(std::string& text, std::string_view from, std::string_view to) {
  if (!text.ends_with(from)) return false;
  text.replace(text.size() - from.size(), from.size(), to);
  return true;
}

std::string listed(std::vector<std::string> items) {
  const size_t more = items.size() - std::min(items.size(), kMaxListed);
  items.resize(items.size() - more);
  return joined(items) + (more > 0 ? " and " + std::to_string(more) + " more" : "");
}

// {shard: its tensors} of an index; all shards are beside it.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& index) {
  const nlohmann::json json = read_json(index);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    throw UserError(index.string() +
                    ": expected weight_map, an object of tensor names and files, got none; fetch "
                    "the file again");
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    // No paths: an index must not make us open files elsewhere.
    if (!file.is_string() || file.get<std::string>().empty() ||
        file.get<std::string>().find('/') != std::string::npos) {
      throw UserError(index.string() + ": expected the name of a file beside it for tensor " +
                      quote(tensor) + ", got " +
                      (file.is_string() ? quote(file.get<std::string>()) : file.type_name()));
    }
    shards[file.get<std::string>()].push_back(tensor);
  }
  std::vector<std::string> missing;
  for (const auto& [name, tensors] : shards) {
    if (!present(index.parent_path() / name)) missing.push_back(quote(name));
  }
  if (!missing.empty())
    throw UserError(index.string() + ": expected these files beside it, got none: " +
                    listed(missing) + "; fetch them");
  return shards;
}

[[noreturn]] void refuse_folder(const fs::path& dir) {
  const std::string where = dir.string() + ": expected " + kFile;
  if (!present(dir))
    throw UserError(dir.string() +
                    ": expected a Hugging Face model folder, got nothing there; check the path");
  const std::string pickled = " (pickle can run code and is not read); convert it: python -c \"";
  if (present(dir / "pytorch_model.bin")) {
    throw UserError(where + ", got pytorch_model.bin" + pickled +
                    "import torch, safetensors.torch as s; d = '" + dir.string() +
                    "/'; s.save_file({k: v.clone() for k, v in torch.load(d + 'pytorch_model.bin', "
                    "'cpu', weights_only=True).items()}, d + '" +
                    kFile + "')\"");
  }
  if (present(dir / "pytorch_model.bin.index.json")) {
    throw UserError(where + ", got pytorch_model.bin.index.json" + pickled +
                    "from transformers import AutoModelForPreTraining as A; d = '" + dir.string() +
                    "'; A.from_pretrained(d).save_pretrained(d, safe_serialization=True)\"");
  }
  throw UserError(where + " or " + kIndex + ", got neither; is this a Hugging Face model folder?");
}

}  // namespace

CheckpointTensors::CheckpointTensors(const fs::path& dir, TensorNames names)
    : dir_(dir), names_(std::move(names)) {
  if (present(dir / kFile)) {
    files_.emplace_back(dir / kFile);
  } else if (present(dir / kIndex)) {
    for (const auto& [name, tensors] : read_index(dir / kIndex)) {
      const SafetensorsFile& file = files_.emplace_back(dir / name);
      std::vector<std::string> missing;
      for (const std::string& tensor : tensors) {
        if (!file.has(tensor)) missing.push_back(quote(tensor));
      }
      if (!missing.empty()) {
        throw UserError(file.path().string() + ": expected the tensors that " + kIndex +
                        " lists, got none of " + listed(missing) + "; fetch both files again");
      }
    }
  } else {
    refuse_folder(dir);
  }
  for (size_t f = 0; f < files_.size(); ++f) {
    for (const TensorInfo& info : files_[f].tensors()) {
      if (const auto [place, added] = tensors_.emplace(canonical(info.name), Place{f, info.name});
          !added) {
        throw UserError(files_[f].path().string() + ": tensor " + quote(info.name) +
                        ": expected it once, got it also as " + quote(place->second.name) + " in " +
                        files_[place->second.file].path().filename().string() +
                        "; fetch the files again");
      }
    }
  }
  merge_copies();
}

void CheckpointTensors::merge_copies() {
  for (const auto& [name, copies] : names_.also) {
    for (const std::string& copy : copies) {
      const auto found = tensors_.find(copy);
      if (found == tensors_.end()) continue;
      const Place place = found->second;
      tensors_.erase(found);
      tensors_.emplace(name, place);  // unless it is there under its own name
    }
  }
}

std::string CheckpointTensors::canonical(std::string name) const {
  if (std::ranges::any_of(names_.encoder_parts,
                          [&](const std::string& part) { return name.starts_with(part); }))
    name = names_.prefix + name;
  for (const auto& [from, to] : names_.renamed_ends) {
    if (replace_end(name, from, to)) break;
  }
  return name;
}

bool CheckpointTensors::ignorable(const std::string& name) const {
  return std::ranges::any_of(names_.ignorable,
                             [&](const std::string& part) { return name.starts_with(part); });
}

std::vector<std::string> CheckpointTensors::names() const {
  std::vector<std::string> out;
  for (const auto& [name, place] : tensors_) out.push_back(name);
  return out;
}

at::Tensor CheckpointTensors::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw UserError(dir_.string() + ": expected a tensor " + quote(name) +
                    ", got none of that name");
  return files_[found->second.file].tensor(found->second.name);
}

double CheckpointTensors::num_elements() const {
  double sum = 0;
  for (const SafetensorsFile& file : files_) {
    for (const TensorInfo& info : file.tensors()) {
      const auto elements = (info.end - info.begin) / c10::elementSize(info.dtype);
      sum += static_cast<double>(elements);
    }
  }
  return sum;
}

void load_into(const CheckpointTensors& tensors, const std::vector<ExpectedTensor>& expected) {
  std::vector<std::string> missing, unexpected, misshapen, mistyped, infinite;
  std::vector<std::pair<std::string, at::Tensor>> sources;
  std::set<std::string> known;
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;
  for (const ExpectedTensor& e : expected) {
    known.insert(e.name);
    if (!tensors.has(e.name)) {
      if (e.required) missing.push_back(e.name);
      continue;
    }
    const at::Tensor source = tensors.tensor(e.name);
    if (source.sizes() != e.destination.sizes()) {
      std::ostringstream text;
      text << e.name << " (expected " << e.destination.sizes() << ", got " << source.sizes() << ")";
      misshapen.push_back(text.str());
    } else if (!at::isFloatingType(source.scalar_type())) {
      mistyped.push_back(e.name + " (" + c10::toString(source.scalar_type()) + ")");
    } else {
      sources.emplace_back(e.name, source);
      copies.emplace_back(e.destination, source);
    }
  }
  for (const std::string& name : tensors.names()) {
    if (!known.contains(name) && !tensors.ignorable(name)) unexpected.push_back(quote(name));
  }

  std::string problems;
  auto add = [&](const char* kind, const std::vector<std::string>& items) {
    if (!items.empty())
      problems +=
          std::string("\n  ") + kind + " (" + std::to_string(items.size()) + "): " + listed(items);
  };
  add("missing", missing);
  add("unexpected", unexpected);
  add("misshapen", misshapen);
  add("not floating point", mistyped);
  if (!problems.empty()) {
    throw UserError(tensors.dir().string() +
                    ": expected the tensors that config.json describes, got others; use "
                    "both files of one model:" +
                    problems);
  }
  for (const NotFinite& found : not_finite(sources))
    infinite.push_back(found.name + (found.is_nan ? " (NaN)" : " (infinity)"));
  if (!infinite.empty()) {
    throw UserError(tensors.dir().string() + ": expected finite weights, got NaN or infinity in " +
                    listed(infinite) +
                    "; the training that wrote them diverged, or the file is damaged; use another "
                    "checkpoint");
  }
  at::NoGradGuard no_grad;
  for (auto& [destination, source] : copies) destination.copy_(source);
}

}  // namespace lait
