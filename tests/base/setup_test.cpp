// cmake/setup.sh in a folder with other files: they stay.
#include <gtest/gtest.h>

#include "lait/base/files.h"
#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

// Everything that set-up installs is there already, so it downloads nothing.
constexpr const char* kRun = R"sh(set -eu
export LAIT_HOME=$PWD/home LAIT_BUILD=$PWD/build LAIT_SKIP_PACKAGES=1 LAIT_NVCC=wheel
nvcc=$("$SETUP" where | tail -n 1)
model=$(sha256sum "${SETUP%/*}/requirements-model.txt" | cut -c1-12)
mkdir -p "${nvcc%/*}" "home/model-$model/all-MiniLM-L6-v2"
printf '#!/bin/sh\n' >"$nvcc" && chmod +x "$nvcc"
"$SETUP")sh";

constexpr const char* kOthers[] = {"downloads/a", "pip/a",     "a.partial/b", "a.partial.tmp/b",
                                   "a.new/b",     "setup.log", "setup.lock"};

TEST(SetUp, LeavesWhatOthersKeepInItsFolder) {
  const TemporaryFolder folder;
  for (const char* name : kOthers) {
    write_file(folder / "home" / name, "mine");
  }
  folder.write("run.sh", kRun);
  const ShellResult result = shell(
      "cd '" + folder.path().string() + "' && SETUP='" LAIT_SOURCE_DIR "/cmake/setup.sh' sh run.sh",
      folder.path());
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  for (const char* name : kOthers) {
    const auto path = folder / "home" / name;
    ASSERT_TRUE(std::filesystem::exists(path)) << name;
    EXPECT_EQ(read_file(path), "mine") << name;
  }
}

}  // namespace
}  // namespace lait
