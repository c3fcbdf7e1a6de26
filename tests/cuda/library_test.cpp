// What the CUDA library brings besides kernels: NCCL, which is found and used only there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

using testing::HasSubstr;

class CudaLibraryFile : public testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(CudaLibraryFile, HasNccl) {
  const std::string library = LAIT_CUDA_LIBRARY;
  const auto output = [&](const std::string& command) {
    return shell(command + library, folder_.path()).out;
  };
  EXPECT_THAT(output("ldd "), testing::ContainsRegex("libnccl\\.so\\.2 => /"));
  EXPECT_THAT(output("nm -D --defined-only "), HasSubstr("lait_add_nccl"));
  EXPECT_THAT(output("nm -DC --undefined-only "), HasSubstr("c10d::ProcessGroupNCCL::"));
}

// The programs run where there is no NCCL.
TEST_F(CudaLibraryFile, IsTheOnlyOneWithNccl) {
  const std::string symbols =
      shell("nm -DC --undefined-only " LAIT_BUILD_DIR "/bin/lait-train", folder_.path()).out;
  EXPECT_THAT(symbols, HasSubstr("c10d::ProcessGroupGloo"));
  EXPECT_THAT(symbols, testing::Not(HasSubstr("ProcessGroupNCCL")));
}

}  // namespace
}  // namespace lait
