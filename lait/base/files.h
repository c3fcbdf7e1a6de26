// Files: reading whole and by line (gzip read directly), memory maps, and writing whole (file_writer.h).
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

// Reads lines of a text file, or of a gzip file, whatever its name (one called .gz must be one). "\r\n" and "\n" end a line, a
// UTF-8 byte order mark at the head is dropped, a last line without newline counts. Bytes are not otherwise touched (NUL
// included). Throws UserError: file missing, unreadable, a folder, corrupt or truncated gzip or other bytes behind it, gzip
// that grows as no text does, or a line longer than max_line_bytes (JSON takes up to 16 times its bytes when parsed).
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path, size_t max_line_bytes = kMaxLineBytes);
  // Of an open descriptor (standard input is 0), from where it stands; `name` stands for it in messages.
  LineReader(int descriptor, const std::string& name, size_t max_line_bytes = kMaxLineBytes);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  // The next line without its end, or nullopt at the end of the file.
  std::optional<std::string> next();
  int64_t line_number() const;  // of the line last returned, from 1
  std::string where() const;    // "path:line" of the line last returned

  static constexpr size_t kMaxLineBytes = size_t{16} << 20;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The whole file (gzip as above). Throws UserError as LineReader does, and where it is longer than max_bytes.
std::string read_file(const std::filesystem::path& path, size_t max_bytes = size_t{256} << 20);

// Writes a whole file, or nothing: see file_writer.h. Creates missing parent folders. Throws WriteError.
void write_file(const std::filesystem::path& path, std::string_view content);

// Files that belong together: none is replaced before all of them are on the disk under their temporary names.
struct FileContent {
  std::filesystem::path path;
  std::string_view content;
};
void write_files(const std::vector<FileContent>& files);

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
