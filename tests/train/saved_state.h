// Changes a checkpoint's state.json as nothing but a test does: its checksum stays right.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lait/base/files.h"
#include "train/checkpoint_files.h"

namespace lait {

inline void edit_state(const std::filesystem::path& checkpoint, const nlohmann::json& changes) {
  const std::filesystem::path file = checkpoint / "state.json";
  auto json = nlohmann::json::parse(read_file(file));
  json.update(changes);
  json.erase("crc32");
  json["crc32"] = crc32_of(json.dump());
  write_file(file, json.dump(2) + "\n");
}

}  // namespace lait
