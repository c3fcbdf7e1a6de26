// Files: reading whole and by line (gzip read directly), memory maps, and writing that never leaves a half file.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lait {

// Reads lines of a text file, or of a gzip file whose name ends in .gz. "\r\n" and "\n" end a line, a UTF-8 byte order
// mark at the head is dropped, a last line without newline counts. Bytes are not otherwise touched (NUL included).
// Throws UserError: file missing, unreadable, a folder, corrupt or truncated gzip, or a line longer than max_line_bytes.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path, size_t max_line_bytes = size_t{64} << 20);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  // The next line without its end, or nullopt at the end of the file.
  std::optional<std::string> next();
  int64_t line_number() const;  // of the line last returned, from 1
  std::string where() const;    // "path:line" of the line last returned

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The whole file (gzip as above). Throws UserError as LineReader does.
std::string read_file(const std::filesystem::path& path);

// Writes to a temporary name in the same folder, syncs, renames. Throws std::runtime_error naming path and reason; the
// previous file, if any, stays whole then. Creates missing parent folders.
void write_file(const std::filesystem::path& path, std::string_view content);

// A read-only map of a whole file. Throws UserError when the file cannot be opened.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lait
