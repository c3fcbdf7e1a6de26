// Set-up: cmake/setup.sh in a folder with other files, where they stay, and a model is linked only
// on request; a copied checkout.
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

// The build folder came along with the sources, .git did not, and around the copy is another
// repository.
TEST(SetUp, ACopiedFolderBuilds) {
  const TemporaryFolder folder;
  const std::string copy = (std::filesystem::canonical(folder.path()) / "copy").string();
  const ShellResult result = shell(
      "set -e; unset MAKEFLAGS MAKEOVERRIDES MAKELEVEL CMAKE_FLAGS BUILD; cd '" +
          folder.path().string() +
          "'; git init -q; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a; "
          "mkdir copy copy/build; cd '" LAIT_SOURCE_DIR
          "'; tar -c --exclude=./.git --exclude='./build*' . | tar -x -C '" +
          copy + "'; cp '" LAIT_BUILD_DIR "/CMakeCache.txt' '" + copy + "/build'; cd '" + copy +
          "'; export LAIT_SKIP_PACKAGES=1; "
          "make configure CMAKE_FLAGS='-DLAIT_CUDA=OFF -DLAIT_TESTS=OFF'; "
          "make configure; "
          "cmake --build build --target lait_git_hash",
      folder.path());
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  const std::string cache = read_file(folder / "copy/build/CMakeCache.txt");
  EXPECT_NE(cache.find("CMAKE_HOME_DIRECTORY:INTERNAL=" + copy + "\n"), std::string::npos);
  EXPECT_NE(cache.find("LAIT_TESTS:BOOL=OFF\n"), std::string::npos)
      << "the second time the cache is the folder's own and stays";
  EXPECT_NE(read_file(folder / "copy/build/generated/lait/git_hash.h").find("\"unknown\""),
            std::string::npos);
}

}  // namespace
}  // namespace lait
