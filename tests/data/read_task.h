// What the tests of the tasks' readers share: files in a temporary folder, read by a task, and the
// errors that it reports.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/data/example_reader.h"
#include "tests/base/temporary_folder.h"

namespace lait {

class Tasks : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return (folder_ / name).string();
  }
  std::vector<Example> read(const std::string& task, const std::string& file,
                            const ReadOptions& options = {}) {
    LabelledData data = read_files(find_task(task), {file}, options);
    counts_ = data.counts;
    return data.examples;
  }
  void expect_error(const std::string& task, const std::string& text, const std::string& message,
                    const ReadOptions& options = {}) {
    const std::string file = write("bad", text);
    try {
      read(task, file, options);
      ADD_FAILURE() << "expected an error for " << text.substr(0, 80);
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(message));
      EXPECT_THAT(error.what(), testing::HasSubstr(file));
    }
  }

  TemporaryFolder folder_;
  ReadCounts counts_;
};

}  // namespace lait
