// The scripts that fill tables of docs/results.md: the tests of their pure parts, results_test.py.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"
#include "tests/oracles/python.h"

namespace lait {
namespace {

TEST(Results, TestsInPythonPass) {
  if (!std::filesystem::exists(oracle::python()))
    GTEST_SKIP() << "no Python at " << oracle::python().string() << "; `make test` makes it";
  const TemporaryFolder folder;
  const ShellResult result =
      shell("PYTHONDONTWRITEBYTECODE=1 " + oracle::in_quotes(oracle::python()) +
                " '" LAIT_SOURCE_DIR "/tests/programs/results_test.py'",
            folder.path());
  EXPECT_EQ(result.code, 0) << result.err;
}

}  // namespace
}  // namespace lait
