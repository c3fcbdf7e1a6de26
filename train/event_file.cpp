#include "train/event_file.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <vector>

#include "lait/base/file_writer.h"
#include "lait/base/files.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

// TensorBoard knows event files by this part of their names.
constexpr const char* kPrefix = "events.out.tfevents.";

// Protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding): a field is its
// number and wire type, then its value. Integers are little-endian, as x86 has them.
static_assert(std::endian::native == std::endian::little);

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out += static_cast<char>(value);
}
std::string field(int number, uint64_t value) { return varint(number << 3 | 0) + varint(value); }
std::string field(int number, double value) { return varint(number << 3 | 1) + raw(value); }
std::string field(int number, float value) { return varint(number << 3 | 5) + raw(value); }
std::string field(int number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

// TensorFlow's tensorflow/core/util/event.proto and framework/summary.proto: an Event has
// wall_time = 1, step = 2, and one of file_version = 3, summary = 5, session_log = 7.
std::string event(double time, int64_t step, int kind, const std::string& content) {
  return field(1, time) + field(2, static_cast<uint64_t>(step)) + field(kind, content);
}

// TFRecord: length, its masked CRC-32C, the bytes, their masked CRC-32C.
std::string record(const std::string& bytes) {
  const auto masked = [](const std::string& of) {
    return raw(std::rotr(crc32c(of), 15) + 0xa282ead8u);
  };
  const std::string length = raw(static_cast<uint64_t>(bytes.size()));
  return length + masked(length) + bytes + masked(bytes);
}

// The version of the format, and a SessionLog with status = 1 START: of what a TensorBoard has read
// from an older file, steps from 0 on count no more.
std::string head(double time) {
  return record(event(time, 0, 3, std::string("brain.Event:2"))) +
         record(event(time, 0, 7, field(1, uint64_t{1})));
}

// A Summary has value = 1, a Value tag = 1 and simple_value = 2. Tags of numbers in objects are
// paths.
std::string summary_of(const nlohmann::ordered_json& numbers, const std::string& path) {
  std::string out;
  for (const auto& [name, value] : numbers.items()) {
    if (name == "step" || name == "time") continue;
    if (value.is_object()) out += summary_of(value, path + "/" + name);
    if (value.is_number())
      out += field(1, field(1, path + "/" + name) + field(2, value.get<float>()));
  }
  return out;
}

std::string events_of(const nlohmann::ordered_json& line) {
  const auto number = [&](const char* name) {
    return line.contains(name) && line[name].is_number() ? line[name].get<double>() : 0;
  };
  const bool has_split = line.contains("split") && line["split"].is_string();
  const std::string split = has_split ? line["split"].get<std::string>() : "";
  const std::string summary = summary_of(line, split);
  if (summary.empty()) return "";
  return record(event(number("time"), static_cast<int64_t>(number("step")), 5, summary));
}

}  // namespace

double unix_seconds() {
  using std::chrono::system_clock;
  const auto since_1970 = system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_1970);
  return static_cast<double>(ms.count()) / 1e3;
}

uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < table.size(); ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit)
        table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78u : 0u);  // the polynomial, reversed
    }
    return table;
  }();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

void EventFile::begin(const fs::path& folder, std::span<const nlohmann::ordered_json> lines) {
  const double now = unix_seconds();
  const std::string start = head(now);
  std::string events;
  for (const auto& line : lines) events += events_of(line);
  std::vector<fs::path> older;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (entry.path().filename().string().starts_with(kPrefix)) older.push_back(entry.path());
  }
  if (older.size() == 1) {
    const std::string bytes = read_file(older[0]);
    if (bytes.size() >= start.size() && bytes.substr(start.size()) == events) {
      path_ = older[0];
      return;
    }
  }
  // TensorBoard reads a folder's files in the order of their names.
  path_ = folder / fmt::format("{}{:014.3f}.lait", kPrefix, now);
  write_file(path_, start + events);
  for (const fs::path& path : older) {
    if (path != path_) fs::remove(path);
  }
}

void EventFile::append(const nlohmann::ordered_json& line) const {
  if (path_.empty()) return;
  if (const std::string bytes = events_of(line); !bytes.empty()) append_text(path_, bytes);
}

}  // namespace lait
