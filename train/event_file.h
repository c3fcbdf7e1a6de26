// TensorBoard's event file of a run: the numbers of metrics.jsonl, as `tensorboard --logdir RUN`
// reads them.
//
// A number of a line is the scalar SPLIT/NAME ("train/loss") at the line's step and time. The file
// is a function of metrics.jsonl: a run that is opened gives it the lines that it keeps.
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

namespace lait {

// Seconds since 1970, in whole milliseconds.
double unix_seconds();

class EventFile {
 public:
  // Goes on with the folder's event file if it holds just these lines. Otherwise writes a new one
  // with them, creates the folder if necessary, and removes the older files; a TensorBoard that
  // reads those goes on with the new one. Throws WriteError.
  void begin(const std::filesystem::path& folder, std::span<const nlohmann::ordered_json> lines);
  // Appends a line of metrics.jsonl. Does nothing before begin. Throws WriteError.
  void append(const nlohmann::ordered_json& line) const;

 private:
  std::filesystem::path path_;
};

// CRC-32C (Castagnoli), which the file's records carry.
uint32_t crc32c(std::string_view bytes);

}  // namespace lait
