// A store in one process: what is found, what is refused, files, several stores of one folder.
#include "lait/cache/segment_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "lait/cache/upkeep.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/cache/store_values.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class SegmentStoreTest : public testing::Test {
 protected:
  std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    for (const auto& [path, status] : list_store_files(dir_)) out.push_back(path);
    return out;
  }
  // A store that `count` values from `first` on are written to and committed.
  void write(int first, int count, StoreWriteOptions options = {.made_by = "a test"}) const {
    SegmentStore store(dir_, std::move(options));
    for (int n = first; n < first + count; ++n) append(store, static_cast<uint64_t>(n));
    store.commit();
  }

  TemporaryFolder folder_;
  fs::path dir_ = folder_ / "store";
};

TEST_F(SegmentStoreTest, GivesBackWhatWasCommitted) {
  {
    SegmentStore store(dir_, {.made_by = R"({"isa": "avx2"})"});
    EXPECT_EQ(look_up(store, 0), Found::kAbsent);
    for (uint64_t n = 0; n < 100; ++n) append(store, n);
    EXPECT_EQ(num_right(store, 100), 0) << "before commit";
    store.commit();
    EXPECT_EQ(num_right(store, 100), 100) << "in the store that wrote them";
    for (uint64_t n = 100; n < 150; ++n) append(store, n);
    store.commit();
    EXPECT_EQ(num_right(store, 150), 150);
  }
  const SegmentStore store(dir_);
  EXPECT_EQ(num_right(store, 200), 150);
  EXPECT_EQ(store.num_records(), 150u);
  for (uint64_t n = 0; n < 150; ++n) {
    const auto found = store.find(key_of(n));
    ASSERT_TRUE(found);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found->bytes.data()) % 64, 0u);
    EXPECT_EQ(found->made_by, R"({"isa": "avx2"})");
  }
  EXPECT_TRUE(store.faults().empty());
}

TEST_F(SegmentStoreTest, PartsAreOneValue) {
  SegmentStore store(dir_, {});
  const std::vector<std::byte> value = value_of(7);
  const std::span<const std::byte> all(value);
  const std::vector<std::span<const std::byte>> parts = {all.first(1), {}, all.subspan(1)};
  store.append(key_of(7), parts);
  store.append(key_of(0), {});
  store.commit();
  EXPECT_EQ(look_up(store, 7), Found::kRight);
  EXPECT_EQ(look_up(store, 0), Found::kRight);  // of no bytes
}

TEST_F(SegmentStoreTest, AKeyIsWrittenOnceByAMaker) {
  write(0, 10);
  {
    SegmentStore store(dir_, {.made_by = "a test"});
    for (uint64_t n = 0; n < 20; ++n) append(store, n);
    for (uint64_t n = 0; n < 20; ++n) append(store, n);
    store.commit();
    EXPECT_EQ(store.num_records(), 20u);
    EXPECT_EQ(num_right(store, 20), 20);
  }
  SegmentStore other(dir_, {.made_by = "another"});
  append(other, 3);
  other.commit();
  EXPECT_EQ(other.num_records(), 21u);
  EXPECT_EQ(other.find(key_of(3), "another")->made_by, "another");
  EXPECT_EQ(other.find(key_of(3), "a test")->made_by, "a test");
  EXPECT_EQ(other.find(key_of(4), "another")->made_by, "a test");
  EXPECT_TRUE(other.contains(key_of(3), "another"));
  EXPECT_FALSE(other.contains(key_of(4), "another"));
}

TEST_F(SegmentStoreTest, AnOpenBatchIsLostWithTheStore) {
  {
    SegmentStore store(dir_, {});
    append(store, 1);
    store.commit();
    append(store, 2);
  }
  const SegmentStore store(dir_);
  EXPECT_EQ(look_up(store, 1), Found::kRight);
  EXPECT_EQ(look_up(store, 2), Found::kAbsent);
  EXPECT_TRUE(verify_store(dir_).faults.empty());
}

TEST_F(SegmentStoreTest, AWriterThatWroteNothingLeavesNoFile) {
  { SegmentStore store(dir_, {}); }
  EXPECT_TRUE(fs::is_empty(dir_));
  EXPECT_EQ(SegmentStore(dir_).num_records(), 0u);
}

TEST_F(SegmentStoreTest, ALargeBatchIsCommittedByItself) {
  SegmentStore store(dir_, {});
  const std::vector<std::byte> large(40 << 20);
  store.append(key_of(1), {large});
  EXPECT_FALSE(store.contains(key_of(1)));
  store.append(key_of(2), {large});
  EXPECT_TRUE(store.contains(key_of(1)) && store.contains(key_of(2)));
}

TEST_F(SegmentStoreTest, ValuesOutliveTheStore) {
  std::vector<StoredValue> values;
  {
    SegmentStore store(dir_, {.made_by = "me", .file_bytes = 20000});
    for (int n = 0; n < 50; ++n) {  // files are mapped anew as they grow
      append(store, static_cast<uint64_t>(n));
      store.commit();
      values.push_back(*store.find(key_of(static_cast<uint64_t>(n))));
    }
    for (const fs::path& file : files()) fs::remove(file);
    store.refresh();
    EXPECT_EQ(store.num_records(), 0u);
  }
  for (size_t n = 0; n < values.size(); ++n) {
    EXPECT_TRUE(std::ranges::equal(values[n].bytes, value_of(n))) << n;
    EXPECT_EQ(values[n].made_by, "me");
  }
}

TEST_F(SegmentStoreTest, RefreshSeesWhatOthersAdd) {
  SegmentStore first(dir_, {.made_by = "first"});
  SegmentStore reader(dir_);
  SegmentStore second(dir_, {.made_by = "second"});
  for (uint64_t n = 0; n < 60; ++n) {
    SegmentStore& writer = n % 3 == 0 ? first : second;
    append(writer, n);
    EXPECT_EQ(look_up(reader, n), Found::kAbsent);
    reader.refresh();
    EXPECT_EQ(look_up(reader, n), Found::kAbsent) << "not committed";
    writer.commit();
    EXPECT_EQ(look_up(reader, n), Found::kAbsent) << "not refreshed";
    reader.refresh();
    ASSERT_EQ(look_up(reader, n), Found::kRight);
    EXPECT_EQ(reader.find(key_of(n))->made_by, n % 3 == 0 ? "first" : "second");
    reader.refresh();
    EXPECT_EQ(reader.num_records(), n + 1);
  }
  EXPECT_EQ(num_right(reader, 60), 60);
  EXPECT_EQ(files().size(), 2u);
}

TEST_F(SegmentStoreTest, FilesOfSeveralStoresMakeOne) {
  write(0, 30);
  const fs::path other = folder_ / "other";
  {
    SegmentStore store(other, {.made_by = "another machine"});
    for (uint64_t n = 20; n < 50; ++n) append(store, n);
    store.commit();
  }
  for (const auto& entry : fs::directory_iterator(other)) fs::copy(entry.path(), dir_);
  for (const auto& entry : fs::directory_iterator(other))  // again, under another name
    fs::copy(entry.path(), dir_ / "copy.segments");
  const SegmentStore store(dir_);
  EXPECT_EQ(num_right(store, 60), 50);
  EXPECT_EQ(store.num_records(), 90u);
}

// A file that is copied grows while it is read.
TEST_F(SegmentStoreTest, AFileThatArrivesInPieces) {
  write(0, 20, {.made_by = std::string(100, 'm')});
  const fs::path file = files().front(), copy = folder_ / "copy";
  fs::create_directory(copy);
  SegmentStore store(copy);
  std::ifstream in(file, std::ios::binary);
  std::ofstream out(copy / "a.segments", std::ios::binary);
  for (char byte = 0; in.get(byte);) {
    out.put(byte);
    if (in.tellg() % 37 != 0) continue;
    out.flush();
    store.refresh();
    ASSERT_GE(num_right(store, 20), 0);
  }
  out.close();
  store.refresh();
  EXPECT_EQ(num_right(store, 20), 20);
  EXPECT_TRUE(store.faults().empty());
}

TEST_F(SegmentStoreTest, AnotherCopyStandsInForADamagedOne) {
  write(0, 5);
  const fs::path file = files().front();
  fs::copy(file, dir_ / "copy.segments");
  std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(64 + 64 + 64);  // the first payload that is not empty
  out.put('x').put('y').flush();
  const SegmentStore store(dir_);
  EXPECT_EQ(num_right(store, 5), 5);
}

TEST_F(SegmentStoreTest, ADamagedValueIsAbsentAndCanBeWrittenAgain) {
  write(0, 5);
  std::fstream out(files().front(), std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(64 + 64 + 64);
  out.put('x').put('y').flush();
  SegmentStore store(dir_, {.made_by = "a test"});
  EXPECT_EQ(num_right(store, 5), 4);
  EXPECT_EQ(num_right(store, 5), 4);
  ASSERT_EQ(store.faults().size(), 1u) << "each once";
  EXPECT_EQ(store.faults()[0].file, files().front());
  EXPECT_EQ(store.faults()[0].offset, 192u);
  EXPECT_EQ(store.faults()[0].what, "record " + to_string(key_of(1)) + " is damaged");
  for (uint64_t n = 0; n < 5; ++n) append(store, n);
  store.commit();
  EXPECT_EQ(store.num_records(), 6u);
  EXPECT_EQ(num_right(store, 5), 5);
}

TEST_F(SegmentStoreTest, OtherThingsInTheFolderAreLeftAlone) {
  write(0, 5);
  folder_.write("store/notes.txt", "notes");
  folder_.write("store/empty.segments", "");
  folder_.write("store/short.segments", "LAIT");
  folder_.write("store/text.segments", "a text that somebody named like this");
  fs::create_directory(dir_ / "folder.segments");
  fs::create_symlink("/dev/zero", dir_ / "device.segments");
  fs::create_symlink(files().front(), dir_ / "link.segments");
  fs::create_symlink("nowhere", dir_ / "dangling.segments");
  ASSERT_EQ(::mkfifo((dir_ / "pipe.segments").c_str(), 0600), 0);
  fs::resize_file(folder_.write("store/large.segments", "LAIT.SEG"), uintmax_t{1} << 40);
  SegmentStore store(dir_);
  store.refresh();
  EXPECT_EQ(store.num_records(), 5u);
  EXPECT_EQ(num_right(store, 5), 5);
  ASSERT_EQ(store.faults().size(), 2u);
  EXPECT_THAT(store.faults()[0].what, HasSubstr("expected version 1 of the format, got 0"));
  EXPECT_THAT(store.faults()[1].what, HasSubstr("begins with other bytes"));
}

TEST_F(SegmentStoreTest, MistakesAreNamed) {
  EXPECT_THAT(error_of([&] { SegmentStore store(dir_); }),
              StartsWith(dir_.string() + ": expected a folder of cached segments, got nothing"));
  folder_.write("file", "");
  EXPECT_THAT(error_of([&] { SegmentStore store(folder_ / "file"); }), HasSubstr("got a file"));
  EXPECT_THAT(error_of([&] { SegmentStore store(folder_ / "file", {}); }),
              StartsWith((folder_ / "file").string() + ": cannot "));
  EXPECT_THROW(SegmentStore(dir_, {.made_by = std::string(100000, 'm')}), std::invalid_argument);
  write(0, 1);
  SegmentStore reader(dir_);
  EXPECT_THROW(append(reader, 1), std::logic_error);
  EXPECT_THROW(reader.commit(), std::logic_error);
}

// Threads of one process: two append, three look up, one refreshes.
TEST_F(SegmentStoreTest, ServesThreads) {
  constexpr int kCount = 400;
  SegmentStore store(dir_, {.file_bytes = 100000});
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> readers, writers;
  for (int t = 0; t < 4; ++t)
    readers.emplace_back([&, t] {
      while (!stop) {
        if (t == 0) store.refresh();
        wrong += num_right(store, kCount) < 0;
      }
    });
  for (int t = 0; t < 2; ++t)
    writers.emplace_back([&, t] {
      for (int n = 0; n < kCount; ++n) {
        append(store, static_cast<uint64_t>(t == 0 ? n : kCount - 1 - n));
        if (n % 16 == 15) store.commit();
      }
      store.commit();
    });
  writers.clear();
  stop = true;
  readers.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(num_right(store, kCount), kCount);
  EXPECT_EQ(store.num_records(), size_t{kCount});
  EXPECT_TRUE(store.faults().empty());
}

}  // namespace
}  // namespace lait
