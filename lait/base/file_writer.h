// Writing that is whole or not at all: under a temporary name in the same folder, synced, renamed, the folder synced.
//
// Whatever stops it (a full disk, a lost permission, a folder that vanished) removes the temporary file, leaves the
// previous one as it was, and is one WriteError: path, reason, way out.
#pragma once
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "lait/base/error.h"

namespace lait {

// A write that failed for a reason outside the program; the user's to mend, so programs exit with 2.
struct WriteError : UserError {
  using UserError::UserError;
};
// "path: cannot WHAT: reason; way out".
[[noreturn]] void throw_write_error(const std::filesystem::path& path,
                                    const std::string& what = "write", int error = errno);

// What unfinished files and folders are called: NAME.writing.
inline constexpr const char* kUnfinishedSuffix = ".writing";

class FileWriter {
 public:
  // Creates missing parent folders. A link stays one, and the file that it leads to is written; a file that was there keeps
  // its permissions. A pipe, a device and /dev/stdout are written directly, at their end. Throws WriteError;
  // also where another process is writing the same file, or the path is a folder.
  explicit FileWriter(const std::filesystem::path& path);
  ~FileWriter();  // without commit(): removes the temporary file
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(std::string_view bytes);
  // Brings everything to the disk; what can fail for lack of space has failed then.
  void sync();
  // Syncs and gives the file its name.
  void commit();

 private:
  void discard();

  std::filesystem::path path_, temporary_;  // path_: behind all links
  int fd_ = -1;
  size_t slot_;  // in the list of remove_unfinished_files
};

// Removes the temporary files of all FileWriters there are. For a signal's handler that ends the program.
void remove_unfinished_files();

// Appends text (a line of a log) at once; what a full disk cut off is taken back. Throws WriteError.
void append_text(const std::filesystem::path& path, std::string_view text);

// Makes renames in a folder last. Throws WriteError.
void sync_folder(const std::filesystem::path& dir);

}  // namespace lait
