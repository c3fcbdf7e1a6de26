// Counting, verifying and pruning a store, and writing where there is no room or no permission.
#include "lait/cache/upkeep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "lait/base/file_writer.h"
#include "lait/cache/segment_store.h"
#include "tests/base/error_of.h"
#include "tests/base/small_disk.h"
#include "tests/cache/store_values.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

class StoreUpkeep : public testing::Test {
 protected:
  // A file with one value for each number.
  void write_file(std::initializer_list<uint64_t> numbers, const std::string& made_by = "a") const {
    SegmentStore store(dir_, {.made_by = made_by});
    for (const uint64_t n : numbers) append(store, n);
    store.commit();
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    for (const auto& [path, status] : list_store_files(dir_)) out.push_back(path);
    return out;
  }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const fs::path& file : files()) sum += fs::file_size(file);
    return sum;
  }

  TemporaryFolder folder_;
  fs::path dir_ = folder_ / "store";
};

TEST_F(StoreUpkeep, Stat) {
  write_file({1, 2, 3}, "a");
  write_file({4}, "b");
  write_file({5}, "b");
  const uint64_t whole = bytes();
  folder_.write("store/bad.segments", "something else");
  std::ofstream(files().front(), std::ios::app) << "torn";
  const StoreStat stat = stat_store(dir_);
  EXPECT_EQ(stat.files, 4u);
  EXPECT_EQ(stat.records, 5u);
  EXPECT_EQ(stat.bytes, whole + 4 + 14);
  EXPECT_EQ(stat.unusable_files, 1u);
  EXPECT_EQ(stat.torn_bytes, 4u + 14);
  EXPECT_THAT(stat.bytes_by_made_by,
              ElementsAre(Pair("a", fs::file_size(files()[0])),
                          Pair("b", fs::file_size(files()[1]) + fs::file_size(files()[2]))));
}

TEST_F(StoreUpkeep, VerifyNamesEachFault) {
  write_file({1, 2});
  write_file({3});
  EXPECT_EQ(verify_store(dir_).records, 3u);
  EXPECT_THAT(verify_store(dir_).faults, IsEmpty());
  {
    std::fstream out(files()[0], std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(128);  // in the first payload
    out.put('x').put('y');
  }
  std::ofstream(files()[1], std::ios::app) << "torn";
  folder_.write("store/z.segments", "LAIT.SEG");
  const StoreCheck check = verify_store(dir_);
  EXPECT_EQ(check.records, 2u);
  ASSERT_EQ(check.faults.size(), 3u);
  EXPECT_EQ(check.faults[0].file, files()[0]);
  EXPECT_EQ(check.faults[0].offset, 128u);
  EXPECT_EQ(check.faults[0].what, "record " + to_string(key_of(1)) + " is damaged");
  EXPECT_EQ(check.faults[1].file, files()[1]);
  EXPECT_EQ(check.faults[1].offset, fs::file_size(files()[1]) - 4);
  EXPECT_EQ(check.faults[1].what, "the last 4 bytes are no whole record");
  EXPECT_EQ(check.faults[2].file, files()[2]);
  EXPECT_EQ(check.faults[2].what, "expected a whole head, got a file that ends in it");
}

// The times of files change when they are copied; what counts is in the head.
TEST_F(StoreUpkeep, PruneDropsTheOldestFirst) {
  for (const uint64_t n : {1, 2, 3, 4}) write_file({n});
  const std::vector<fs::path> before = files();
  fs::rename(before[0], dir_ / "zzz.segments");
  fs::last_write_time(dir_ / "zzz.segments", fs::file_time_type::clock::now());
  fs::last_write_time(before[3], fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(prune_store(dir_, bytes()).files, 0u);
  const PruneResult result = prune_store(dir_, bytes() - 1);
  EXPECT_EQ(result.files, 1u);
  EXPECT_EQ(result.bytes_left, bytes());
  EXPECT_THAT(files(), ElementsAre(before[1], before[2], before[3]));
  prune_store(dir_, fs::file_size(before[3]));
  EXPECT_THAT(files(), ElementsAre(before[3]));
  prune_store(dir_, 0);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(StoreUpkeep, PruneLeavesWhatIsWrittenOrNotOurs) {
  folder_.write("notes.txt", "notes");
  SegmentStore writer(dir_, {});
  append(writer, 1);
  writer.commit();
  write_file({2});
  folder_.write("store/text.segments", "a text that somebody named like this");
  folder_.write("store/damaged.segments", "LAIT.SEG and then something else");
  const PruneResult result = prune_store(dir_, 0);
  EXPECT_EQ(result.files, 2u) << "value 2 and the damaged one";
  EXPECT_EQ(result.bytes_left, bytes());
  EXPECT_EQ(files().size(), 2u);
  append(writer, 3);
  writer.commit();
  const SegmentStore reader(dir_);
  EXPECT_EQ(look_up(reader, 1), Found::kRight);
  EXPECT_EQ(look_up(reader, 2), Found::kAbsent);
  EXPECT_EQ(look_up(reader, 3), Found::kRight);
}

TEST_F(StoreUpkeep, PrunedFilesServeThoseWhoHaveThem) {
  write_file({1});
  SegmentStore reader(dir_);
  const auto value = reader.find(key_of(1));
  prune_store(dir_, 0);
  EXPECT_EQ(look_up(reader, 1), Found::kRight);
  reader.refresh();
  EXPECT_EQ(look_up(reader, 1), Found::kAbsent);
  EXPECT_TRUE(std::ranges::equal(value->bytes, value_of(1)));
}

TEST_F(StoreUpkeep, AWriterWhoseFileWasRemovedBeginsAnother) {
  SegmentStore store(dir_, {});
  append(store, 1);
  store.commit();
  fs::remove(files().front());
  append(store, 2);
  store.commit();
  EXPECT_EQ(look_up(store, 1), Found::kAbsent);
  EXPECT_EQ(look_up(store, 2), Found::kRight);
  fs::remove_all(dir_);
  append(store, 3);
  EXPECT_THAT(error_of([&] { store.commit(); }),
              AllOf(StartsWith(dir_.string()), HasSubstr("the folder is gone")));
}

TEST_F(StoreUpkeep, AWriterKeepsTheFolderWithinMaxBytes) {
  constexpr uint64_t kMax = 400000;
  SegmentStore store(dir_, {.max_bytes = kMax});
  for (uint64_t n = 0; n < 800; ++n) {
    append(store, n);
    if (n % 8 == 7) store.commit();
    ASSERT_LE(bytes(), kMax) << n;
  }
  EXPECT_GT(bytes(), kMax * 3 / 4);
  EXPECT_GT(files().size(), 10u);
  EXPECT_EQ(look_up(store, 0), Found::kAbsent);
  for (uint64_t n = 750; n < 800; ++n) EXPECT_EQ(look_up(store, n), Found::kRight);
  append(store, 0);  // what was dropped can be written again
  store.commit();
  EXPECT_EQ(look_up(store, 0), Found::kRight);
}

class StoreOnSmallDisk : public testing::TestWithParam<SmallDisk::Kind> {};

TEST_P(StoreOnSmallDisk, AFullDiskLosesTheOpenBatchOnly) {
  SmallDisk disk(512, GetParam());
  const fs::path dir = disk / "store";
  auto store = std::make_unique<SegmentStore>(dir, StoreWriteOptions{.made_by = "a"});
  for (uint64_t n = 0; n < 10; ++n) append(*store, n);
  store->commit();
  const fs::path file = list_store_files(dir).front().first;
  const auto size = fs::file_size(file);
  disk.fill(64);
  for (uint64_t n = 10; n < 200; ++n) append(*store, n);
  const std::string error = error_of([&] { store->commit(); });
  EXPECT_THAT(error, StartsWith(file.string() + ": cannot write: " + disk.reason() + "; "));
  EXPECT_EQ(num_right(*store, 200), 10);
  EXPECT_EQ(fs::file_size(file), size) << "what was written of the batch is cut off";
  disk.fill(0);
  EXPECT_THAT(error_of([&] { SegmentStore another(dir, {.made_by = "b"}); }),
              HasSubstr(": cannot write: " + disk.reason() + "; "));
  disk.free();
  for (uint64_t n = 10; n < 20; ++n) append(*store, n);
  store->commit();
  EXPECT_EQ(num_right(*store, 200), 20);
  store.reset();
  EXPECT_EQ(num_right(SegmentStore(dir), 200), 20);
  EXPECT_THAT(verify_store(dir).faults, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(Kinds, StoreOnSmallDisk,
                         testing::Values(SmallDisk::Kind::kTmpfs, SmallDisk::Kind::kLimit));

TEST_F(StoreUpkeep, AStoreThatCannotBeWrittenCanBeRead) {
  write_file({1});
  const ReadOnly read_only(folder_.path());
  const NoPowers no_powers;
  const SegmentStore store(dir_);
  EXPECT_EQ(look_up(store, 1), Found::kRight);
  EXPECT_THROW(SegmentStore(dir_, {}), WriteError);
  EXPECT_THAT(error_of([&] { SegmentStore writer(dir_, {}); }),
              AllOf(StartsWith(dir_.string()), HasSubstr(": cannot write: Permission denied; ")));
  EXPECT_THAT(
      error_of([&] { SegmentStore writer(folder_ / "new", {}); }),
      StartsWith((folder_ / "new").string() + ": cannot make the folder: Permission denied; "));
  EXPECT_THAT(error_of([&] { prune_store(dir_, 0); }),
              HasSubstr(": cannot remove: Permission denied; "));
}

TEST_F(StoreUpkeep, FilesThatCannotBeReadAreNamed) {
  write_file({1});
  write_file({2});
  fs::permissions(files()[0], fs::perms::none);
  const NoPowers no_powers;
  const SegmentStore store(dir_);
  EXPECT_EQ(num_right(store, 3), 1);
  ASSERT_EQ(store.faults().size(), 1u);
  EXPECT_EQ(store.faults()[0].what, "cannot read: Permission denied");
  EXPECT_EQ(stat_store(dir_).unusable_files, 1u);
}

}  // namespace
}  // namespace lait
