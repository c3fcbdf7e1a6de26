// Idle threads of the programs spin for a short time, unless the user says otherwise: what libgomp
// understood, as it prints it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

std::string spin_count(const std::string& environment) {
  const TemporaryFolder folder;
  const ShellResult result =
      shell("env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT OMP_DISPLAY_ENV=verbose " + environment +
                " '" LAIT_BUILD_DIR "/bin/lait-predict' --version",
            folder.path());
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::StartsWith("lait "));
  const std::string key = "GOMP_SPINCOUNT = '";
  const size_t begin = result.err.find(key);
  if (begin == std::string::npos) return "not printed: " + result.err;
  return result.err.substr(begin + key.size(),
                           result.err.find('\'', begin + key.size()) - begin - key.size());
}

TEST(Spin, IsShortUnlessTheUserSaysOtherwise) {
  EXPECT_EQ(spin_count(""), "10000");
  EXPECT_EQ(spin_count("GOMP_SPINCOUNT=7"), "7");
  EXPECT_EQ(spin_count("OMP_WAIT_POLICY=passive"), "0");
}

}  // namespace
}  // namespace lait
