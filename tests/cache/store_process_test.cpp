// Several processes use one store: writers and readers at once, and writers that are killed.
//
// LAIT_STORE_SECONDS=60 sets how long readers and writers run (3).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>

#include "lait/cache/segment_store.h"
#include "lait/cache/upkeep.h"
#include "tests/base/temporary_folder.h"
#include "tests/cache/store_values.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

class StoreProcesses : public testing::Test {
 protected:
  // Runs body in a process of its own, which exits with what it returns.
  static pid_t start(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    int code = 99;
    try {
      code = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    std::_Exit(code);
  }
  static int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  TemporaryFolder folder_;
  fs::path dir_ = folder_ / "store";
};

TEST_F(StoreProcesses, ReadersAndWritersAtOnce) {
  const char* wanted = std::getenv("LAIT_STORE_SECONDS");
  const auto end = Clock::now() + std::chrono::seconds(wanted == nullptr ? 3 : std::atoi(wanted));
  constexpr uint64_t kMost = 1 << 16;
  { SegmentStore store(dir_, {}); }
  std::vector<pid_t> writers, readers;
  // The writers' numbers overlap.
  for (uint64_t w = 0; w < 2; ++w) {
    writers.push_back(start([&, w] {
      SegmentStore store(dir_, {.file_bytes = 4 << 20});
      std::mt19937 random(static_cast<uint32_t>(w));
      for (uint64_t n = w * 100; n < kMost && Clock::now() < end; ++n) {
        append(store, n);
        if (random() % 20 == 0) store.commit();
      }
      store.commit();
      return 0;
    }));
  }
  // Each number is there as soon as a larger one of the same writer's is, and stays.
  for (uint32_t r = 0; r < 4; ++r) {
    readers.push_back(start([&, r] {
      SegmentStore store(dir_);
      std::mt19937 random(r);
      size_t before = 0, found = 0;
      while (Clock::now() < end) {
        store.refresh();
        const size_t count = store.num_records();
        if (count < before) return 1;
        before = count;
        for (int i = 0; i < 200; ++i) {
          const Found result = look_up(store, random() % (count + 1));
          if (result == Found::kWrong) return 2;
          found += result == Found::kRight;
        }
      }
      return !store.faults().empty() ? 3 : found == 0 ? 4 : 0;
    }));
  }
  for (const pid_t child : readers) EXPECT_EQ(wait_for(child), 0);
  for (const pid_t child : writers) EXPECT_EQ(wait_for(child), 0);
  const SegmentStore store(dir_);
  EXPECT_GT(num_right(store, kMost), 100);
  EXPECT_TRUE(verify_store(dir_).faults.empty());
}

// The writer says how many values are committed: when the store is open, and after each commit.
TEST_F(StoreProcesses, AKilledWriterLosesItsOpenBatchOnly) {
  constexpr int kRounds = 150;
  std::mt19937 random(1);
  int committed = 0, torn = 0;
  uint64_t torn_bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t writer = start([&] {
      SegmentStore store(dir_, {.file_bytes = 200000});
      std::mt19937 numbers(static_cast<uint32_t>(round));
      for (int n = committed; ::write(pipe[1], &n, sizeof(n)) == sizeof(n);) {
        for (uint32_t batch = 1 + numbers() % 10; batch > 0; --batch)
          append(store, static_cast<uint64_t>(n++));
        store.commit();
      }
      return 1;
    });
    ::close(pipe[1]);
    int open = 0;
    ASSERT_EQ(::read(pipe[0], &open, sizeof(open)), ssize_t{sizeof(open)});
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 15000));
    ::kill(writer, SIGKILL);
    EXPECT_EQ(wait_for(writer), -SIGKILL);
    for (int n = 0; ::read(pipe[0], &n, sizeof(n)) == sizeof(n);) committed = n;
    ::close(pipe[0]);
    const SegmentStore store(dir_);
    ASSERT_EQ(num_right(store, committed), committed) << "round " << round;
    ASSERT_GE(num_right(store, committed + 20), committed) << "round " << round;
    ASSERT_TRUE(store.faults().empty());
    const uint64_t torn_now = stat_store(dir_).torn_bytes;
    torn += torn_now > torn_bytes;
    torn_bytes = torn_now;
  }
  EXPECT_GT(committed, kRounds / 10);
  RecordProperty("rounds_with_torn_ends", torn);
  for (const StoreFault& fault : verify_store(dir_).faults)
    EXPECT_TRUE(fault.what.ends_with("are no whole record") || fault.what.ends_with("ends in it"))
        << fault.what;
}

// Whatever part of a batch is in the file when its writer is killed. A batch is written rest first,
// so every prefix of that order is tried.
TEST_F(StoreProcesses, ABatchIsThereAsAWholeOrNotAtAll) {
  {
    SegmentStore store(dir_, {});
    for (uint64_t n = 0; n < 2; ++n) append(store, n);
    store.commit();
    for (uint64_t n = 2; n < 5; ++n) append(store, n);
    store.commit();
  }
  const fs::path file = list_store_files(dir_).front().first;
  const std::string whole = [&] {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  const size_t begin = 64 + 64 + 64 + aligned(value_of(1).size());
  const fs::path cut = folder_ / "cut";
  fs::create_directory(cut);
  for (size_t end = begin + 64; end <= whole.size(); end += 61) {
    std::string bytes = whole.substr(0, end);
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(begin), 64, '\0');
    folder_.write("cut/a.segments", bytes);
    EXPECT_EQ(num_right(SegmentStore(cut), 5), 2) << end;
  }
  for (size_t head = 0; head <= 64; ++head) {
    std::string bytes = whole;
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin + head),
              bytes.begin() + static_cast<ptrdiff_t>(begin + 64), '\0');
    folder_.write("cut/a.segments", bytes);
    const int right = num_right(SegmentStore(cut), 5);
    EXPECT_EQ(right, bytes == whole ? 5 : 2) << head;
  }
}

}  // namespace
}  // namespace lait
