// Writes a file completely or not at all: under a temporary name in the same folder, synced,
// renamed, the folder synced.
//
// On any failure (a full disk, a lost permission, a folder that vanished) the temporary file is
// removed, the previous file is kept, and one WriteError is thrown: path, reason, how to fix it.
#pragma once
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "lait/base/error.h"

namespace lait {

// A write that failed for a reason outside the program. The user can fix it, so programs exit with
// 2.
struct WriteError : UserError {
  using UserError::UserError;
};
// "path: cannot WHAT: reason; how to fix it".
[[noreturn]] void throw_write_error(const std::filesystem::path& path,
                                    const std::string& what = "write", int error = errno);

// The suffix of unfinished files and folders: NAME.writing.
inline constexpr const char* kUnfinishedSuffix = ".writing";

class FileWriter {
 public:
  // Creates missing parent folders. Follows links and writes the file that they lead to. An
  // existing file keeps its permissions. Pipes, devices and /dev/stdout are written directly, at
  // their end. Throws WriteError, also when another process is writing the same file or the path is
  // a folder.
  explicit FileWriter(const std::filesystem::path& path);
  // Removes the temporary file unless commit() was called.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(std::string_view bytes);
  // Flushes everything to the disk. If space is lacking, this is where it fails.
  void sync();
  // Syncs and renames the file to its final name.
  void commit();

 private:
  void discard();

  std::filesystem::path path_;       // with all links followed
  std::filesystem::path temporary_;  // empty when path_ is written directly
  int fd_ = -1;
  size_t slot_;  // of the list that remove_unfinished_files reads
};

// Removes the temporary files of all FileWriters. Safe to call in a signal handler that ends the
// program.
void remove_unfinished_files();

// Appends text (a line of a log) in one go. If the disk is full, the part that was written is
// removed again. Throws WriteError.
void append_text(const std::filesystem::path& path, std::string_view text);

// Makes renames in a folder durable. Throws WriteError.
void sync_folder(const std::filesystem::path& dir);

}  // namespace lait
