// TensorBoard's event file of a run: the numbers of metrics.jsonl, as `tensorboard --logdir RUN`
// reads them.
//
// A number of a line is the scalar SPLIT/NAME ("train/loss") at the line's step and time. The file
// is a function of metrics.jsonl: a run that is opened writes it anew from the lines that it keeps.
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
  // Writes a new file with the lines into the folder, which is created if necessary, then removes
  // the folder's older event files. A TensorBoard that reads those goes on with the new one. Throws
  // WriteError.
  void write_anew(const std::filesystem::path& folder,
                  std::span<const nlohmann::ordered_json> lines);
  // Appends a line of metrics.jsonl. Does nothing before write_anew. Throws WriteError.
  void append(const nlohmann::ordered_json& line) const;

 private:
  std::filesystem::path path_;
};

// CRC-32C (Castagnoli), which the file's records carry.
uint32_t crc32c(std::string_view bytes);

}  // namespace lait
