// `lait-data split`: cuts a file of examples into parts that have no article, passage or page in
// common.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lait {

struct SplitOptions {
  // Of the file's task, which knows how it is read.
  std::string task{};
  // A file, or a folder of a task that reads folders.
  std::string input{};
  // Fields of its records, e.g. {"Body ID"}. Records with the same value in one of them are
  // connected; what is connected, directly or by way of others, stays together.
  std::vector<std::string> by{};
  // Of the records, in proportion, e.g. {80, 10, 10}.
  std::vector<double> shares{};
  // Of the parts; empty: train, validation, test.
  std::vector<std::string> names{};
  // The folder to write.
  std::string output{};
  uint64_t seed = 1;
};

struct SplitPart {
  // The file or folder that was written.
  std::string path{};
  int64_t records = 0, groups = 0;
};

// Writes each part in the input's own form, with its header, in its order, unpacked. Throws
// UserError: shares and names that do not match, a field that a record does not have, more parts
// than groups, an output that exists; nothing is written then.
std::vector<SplitPart> split_data(const SplitOptions& options);

}  // namespace lait
