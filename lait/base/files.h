// Files: reading whole files and lines (gzip is unpacked), memory maps, writing (file_writer.h).
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

// Reads the lines of a text file. A gzip file is unpacked, whatever its name; a file named .gz must
// be one. Lines end with "\n" or "\r\n", and the last one may lack its newline. A UTF-8 byte order
// mark at the start is dropped. Other bytes are kept, NUL included.
//
// Throws UserError: the file is missing, unreadable or a folder; the gzip data is damaged,
// truncated, followed by other bytes, or grows more than text does; a line is longer than
// max_line_bytes (JSON takes up to 16 times its size when parsed).
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path, size_t max_line_bytes = kMaxLineBytes);
  // Reads an open descriptor (standard input is 0) from its current position. Messages call it
  // `name`.
  LineReader(int descriptor, const std::string& name, size_t max_line_bytes = kMaxLineBytes);
  // The lines that `next` returns until nullopt, of a source that is no text file.
  LineReader(std::function<std::optional<std::string>()> next, const std::string& name);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  // The next line without its end, or nullopt at the end of the file.
  std::optional<std::string> next();
  // Of the line last returned, from 1.
  int64_t line_number() const;
  // The path, or the name given.
  const std::string& name() const;
  // "path:line" of the line last returned.
  std::string where() const;
  // Called before a read that would wait for the other end of a pipe, a terminal or a socket. May
  // be null.
  void on_wait(std::function<void()> callback);

  static constexpr size_t kMaxLineBytes = size_t{16} << 20;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads a whole file, gzip unpacked. Throws UserError as LineReader does, and if it is longer than
// max_bytes.
std::string read_file(const std::filesystem::path& path, size_t max_bytes = size_t{256} << 20);

// Writes a file completely or not at all, see file_writer.h. Creates missing parent folders. Throws
// WriteError.
void write_file(const std::filesystem::path& path, std::string_view content);

struct FileContent {
  std::filesystem::path path;
  std::string_view content;
};
// Writes files that belong together: none is replaced before all of them are on the disk under
// their temporary names.
void write_files(const std::vector<FileContent>& files);

// Throws UserError if the file's first bytes are those of a git-lfs pointer, which stands where
// `git lfs pull` puts the file. Reading files and lines checks it.
void check_no_lfs_pointer(const std::string& name, std::string_view begin);

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
