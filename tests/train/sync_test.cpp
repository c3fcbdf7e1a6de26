// What a checkpoint counts on is on the disk before it is published. This program has an fsync of
// its own, which notes the files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "tests/base/temporary_folder.h"
#include "train/run_directory.h"

namespace {

std::vector<std::string>& synced() {
  static std::vector<std::string> paths;
  return paths;
}

}  // namespace

extern "C" int fsync(int fd) {
  std::error_code ignored;
  synced().push_back(
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string());
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace lait {
namespace {

TEST(Sync, TheLogIsOnTheDiskBeforeACheckpointThatCountsItsLines) {
  const TemporaryFolder folder;
  RunDirectory run(folder / "run", IfExists::kRefuse);
  run.append_metrics({{"step", 1}});
  for (const int64_t step : {1, 2}) {
    synced().clear();
    size_t before_fill = 0;
    run.save_checkpoint(step, 2, [&](const auto&) { before_fill = synced().size(); });
    const auto log = std::ranges::find(synced(), (folder / "run/metrics.jsonl").string());
    ASSERT_NE(log, synced().end()) << step;
    EXPECT_LT(log - synced().begin(), static_cast<ptrdiff_t>(before_fill));
    EXPECT_EQ(synced().back(), (folder / "run/checkpoints").string());
  }
}

}  // namespace
}  // namespace lait
