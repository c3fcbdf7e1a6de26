// cmake/setup.sh in a folder with other files: they stay, and a model is linked only on request.
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
model() { echo "home/model-$(sha256sum "${SETUP%/*}/requirements-$1.txt" | cut -c1-12)/$2"; }
mkdir -p "${nvcc%/*}" "$(model model all-MiniLM-L6-v2)" "$(model mpnet all-mpnet-base-v2)"
printf '#!/bin/sh\n' >"$nvcc" && chmod +x "$nvcc"
"$SETUP" "$@")sh";

constexpr const char* kOthers[] = {"downloads/a", "pip/a",     "a.partial/b", "a.partial.tmp/b",
                                   "a.new/b",     "setup.log", "setup.lock"};

ShellResult set_up(const TemporaryFolder& folder, const std::string& argument) {
  folder.write("run.sh", kRun);
  return shell("cd '" + folder.path().string() +
                   "' && SETUP='" LAIT_SOURCE_DIR "/cmake/setup.sh' sh run.sh " + argument,
               folder.path());
}

TEST(SetUp, LeavesWhatOthersKeepInItsFolder) {
  const TemporaryFolder folder;
  for (const char* name : kOthers) {
    write_file(folder / "home" / name, "mine");
  }
  const ShellResult result = set_up(folder, "");
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  for (const char* name : kOthers) {
    const auto path = folder / "home" / name;
    ASSERT_TRUE(std::filesystem::exists(path)) << name;
    EXPECT_EQ(read_file(path), "mine") << name;
  }
}

TEST(SetUp, LinksMpnetOnRequest) {
  const TemporaryFolder folder;
  const auto models = folder / "build" / "models";
  EXPECT_EQ(set_up(folder, "").code, 0);
  EXPECT_TRUE(std::filesystem::is_directory(models / "all-MiniLM-L6-v2"));
  EXPECT_FALSE(std::filesystem::exists(models / "all-mpnet-base-v2"));
  const ShellResult result = set_up(folder, "mpnet");
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_TRUE(std::filesystem::is_directory(models / "all-mpnet-base-v2"));
}

}  // namespace
}  // namespace lait
